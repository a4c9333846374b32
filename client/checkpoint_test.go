package client_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/roundlog"
)

// TestKeptCheckpoint: a hospital keeps the largest checkpoint that it verified, under its
// own cosignature, and never one of another log.
func TestKeptCheckpoint(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	s := l.sites[0]
	if _, err := client.ReadCheckpoint(s.cfg.State); !errors.Is(err, client.ErrNoCheckpoint) {
		t.Errorf("before the first round: %v", err)
	}
	keeps := func(what string, size int64) {
		t.Helper()
		k, err := client.ReadCheckpoint(s.cfg.State)
		must(t, err)
		c, err := roundlog.ParseCheckpoint(k.Note, l.charter.LogKey)
		if err != nil || c.Size != size || c.Root != l.log.Root() || len(k.Cosignatures) != 1 {
			t.Fatalf("%s: kept %+v, %v, %d cosignatures; want size %d", what, c, err, len(k.Cosignatures), size)
		}
		key := s.identity.Public().(ed25519.PublicKey)
		if _, err := roundlog.VerifyCosignature(k.Note, k.Cosignatures[0].Line, string(s.id), key); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	l.askJoin(s, l.train(1)).sends(t, "join")
	keeps("after a join", l.log.Size())
	l.append(round.Entry{Kind: round.Lead, Epoch: 1})
	l.askJoin(s, l.train(2)).sends(t, "join")
	keeps("after another", l.log.Size())
	for what, log := range map[string]*roundlog.Log{
		"a fork": l.fork(l.log.Size()), "a longer fork": l.fork(l.log.Size() + 3), "a rolled-back fork": l.fork(l.log.Size() - 1)} {
		h := l.train(3)
		h.Checkpoint = head(log)
		l.ask(s, func(seen int64) *atriumpb.Work {
			w := &atriumpb.Work{Kind: "join", Round: h.Round, Header: federation.Encode(h)}
			prove(t, w, log, log.Size(), seen, -1)
			return w
		}).refuses(t, "the coordinator shows an older log than before, or another")
		keeps("after "+what, l.log.Size())
	}
	status, err := client.ReadStatus(s.cfg.State)
	must(t, err)
	if status.Charter != l.charter.Digest().String() || status.Epoch != 1 {
		t.Errorf("the status shows charter %s of epoch %d", status.Charter, status.Epoch)
	}
}
