package client_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestTwoGroups: a hospital cannot be counted in a group that is not its own.
func TestTwoGroups(t *testing.T) {
	l := newLiar(t, 6, 2, plans.Cardiology()) // t = 5, f = 1, K = 3
	first := l.charter.Groups[0]
	var s, stranger *site
	for _, x := range l.sites {
		if slices.Contains(first, x.id) && s == nil {
			s = x
		}
		if !slices.Contains(first, x.id) {
			stranger = x
		}
	}
	p := l.gather(l.train(1))
	both := clone(t, p.manifest)
	both.Groups[0] = slices.Sorted(slices.Values(append(both.Groups[0], stranger.id)))
	p.askUpdate(s, both).refuses(t, "group 0: "+string(stranger.id)+" belongs to another")
	p.collect()
	list := p.of(l.sites...)
	crossed := clone(t, list)
	crossed.Groups[0] = append(crossed.Groups[0], federation.Submitter{Hospital: stranger.id, Submission: federation.Sum(p.subs[stranger.id].signed)})
	slices.SortFunc(crossed.Groups[0], func(a, b federation.Submitter) int { return strings.Compare(string(a.Hospital), string(b.Hospital)) })
	p.askReady(s, crossed).refuses(t, "group 0: "+string(stranger.id)+" is not in its cohort")
	p.readied(list, s)
	small := clone(t, list)
	small.Groups[1] = small.Groups[1][:2]
	p.askReady(s, small).refuses(t, "group 1: 2 submitters, fewer than K = 3")
	dropped := clone(t, list)
	dropped.Groups[1], dropped.Sums[1] = []federation.Submitter{}, federation.Digest{}
	p.readied(dropped) // a whole group may be dropped
	p.sends(dropped, s)
}

// TestUnknownPeers: a hospital that pinned its peers counts only those, as a submitter
// and as a custodian.
func TestUnknownPeers(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	s := l.sites[0]
	pin := func(peers ...string) {
		s.stop()
		s.cfg.Policy.Peers = peers
		l.start(s)
		t.Cleanup(s.stop)
	}
	member, _ := l.charter.Member(l.sites[2].id)
	pin(string(l.sites[1].id), member.Fingerprint().String())
	known, unknown := l.gather(l.train(1)), l.sites[3]
	known.collect()
	known.askReady(s, known.of(l.sites[1:]...)).refuses(t, "refused by policy rule peers: peers compared: 2 of 3, in a sum of 3 hospitals")
	known.askReady(s, known.of(s, l.sites[1], unknown)).refuses(t, "refused by policy rule peers")
	list := known.of(l.sites[:3]...)
	known.readied(list)
	known.sends(list, s)

	p := l.gather(l.train(2))
	m := clone(t, p.manifest)
	m.Groups[0] = slices.DeleteFunc(m.Groups[0], func(id federation.HospitalID) bool { return id == l.sites[1].id })
	o := p.askUpdate(s, m)
	o.refuses(t, "refused by policy rule peers: peers compared: 2 of 3, in a sum of 3 hospitals")
	if d := decode[federation.Decline](l, o.sends(t, "decline").signed); d.Reason != "policy rule peers" || d.Role != federation.RoleUpdate {
		t.Errorf("declined as %s: %s", d.Role, d.Reason)
	}
}

// TestLowerEpoch: a daemon whose memory belongs to a later epoch does not start with an
// earlier charter, nor with another of the same epoch.
func TestLowerEpoch(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	s := l.sites[0]
	s.stop()
	other := s.cfg
	other.Charter = clone(t, l.charter)
	other.Charter.MinCohort = 4
	if _, err := client.Open(other); err == nil || !strings.Contains(err.Error(), "of another charter epoch than this hospital's memory") {
		t.Errorf("another charter of epoch 1: %v", err)
	}
	journal := filepath.Join(s.cfg.State, "journal")
	raw, err := os.ReadFile(journal)
	must(t, err)
	must(t, os.WriteFile(journal, append(raw, began(t, 2, federation.Sum([]byte("charter 2")))...), 0o600))
	_, err = client.Open(s.cfg)
	if err == nil || !strings.Contains(err.Error(), "of epoch 1 after") || !strings.Contains(err.Error(), "of epoch 2: of another charter epoch") {
		t.Errorf("epoch 1 after epoch 2: %v", err)
	}
	t.Logf("refusal: %v", err)
}

// TestStatusIsASentence: what a person reads has no words of the transport.
func TestStatusIsASentence(t *testing.T) {
	l := newLiar(t, 3, 1, plans.Cardiology())
	s := l.sites[0]
	s.stop()
	s.cfg.Addresses = []string{"127.0.0.1:1"}
	l.start(s)
	var last client.Status
	for range 400 {
		raw, err := os.ReadFile(filepath.Join(s.cfg.State, client.StatusFile))
		if err == nil && json.Unmarshal(raw, &last) == nil && last.LastError != "" {
			break
		}
		<-l.tick()
	}
	s.stop()
	if want := "no connection to the coordinator: dial tcp 127.0.0.1:1: connect: connection refused"; last.LastError != want {
		t.Errorf("last error %q, want %q", last.LastError, want)
	}
}
