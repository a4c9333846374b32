package rpc_test

import (
	"net"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// TestStandby: a coordinator that stands by takes nothing, names the leader, keeps waiting
// who cannot reach that one, and gives it work the moment it leads.
func TestStandby(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 1)
	_, stop := w.coordinator()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	listener.Close()
	other := *w
	other.address = listener.Addr().String()
	standby, stopOther := other.coordinator()
	defer stopOther()
	w.until(standby, "standing by", func(coordinator.Status) bool { return standby.View().Led })
	p := other.puppet(w.names[0])
	ctx := t.Context()
	poll := &atriumpb.PollRequest{Federation: "cardiology", Incarnation: p.incarnation[:]}
	header := federation.Sum(standby.View().Header)
	for name, call := range map[string]func() error{
		"poll": func() error { _, err := p.api.Poll(ctx, poll); return err },
		"send": func() error { return p.send(ctx, "join", []byte("x")) },
		"held": func() error { _, err := p.api.Held(ctx, &atriumpb.HeldRequest{Federation: "cardiology"}); return err },
		"submit": func() error {
			_, err := p.api.Submit(ctx, &atriumpb.SubmitRequest{Federation: "cardiology"})
			return err
		},
		"shares": func() error {
			_, err := p.api.SendShares(ctx, &atriumpb.SharesRequest{Federation: "cardiology"})
			return err
		},
		"fetch": func() error {
			stream, err := p.api.Fetch(ctx, &atriumpb.FetchRequest{Federation: "cardiology", Digest: header[:]})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	} {
		st := status.Convert(call())
		var leader []string
		for _, d := range st.Details() {
			if n, ok := d.(*atriumpb.NotLeader); ok {
				leader = n.GetAddresses()
			}
		}
		if st.Code() != codes.Unavailable || len(leader) != 1 || leader[0] != w.address {
			t.Errorf("%s: %s: %s, leader %q, want %s", name, st.Code(), st.Message(), leader, w.address)
		}
	}
	if _, err := p.api.Status(ctx, &atriumpb.StatusRequest{Federation: "cardiology"}); err != nil {
		t.Errorf("status: %v", err)
	}
	work, failed := make(chan *atriumpb.Work, 1), make(chan error, 1)
	go func() {
		got, err := p.api.Poll(ctx, &atriumpb.PollRequest{Federation: "cardiology", Incarnation: p.incarnation[:], Wait: true})
		work <- got
		failed <- err
	}()
	stop()
	if got, err := <-work, <-failed; err != nil || got.GetKind() != "join" {
		t.Errorf("who waited gets %v, %v", got, err)
	}
}
