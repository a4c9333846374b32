package client_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/client"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage/storagetest"
)

// version is a run until a model version is there.
func version(n uint64) func(coordinator.Status) bool {
	return func(s coordinator.Status) bool { return s.Version >= n }
}

// TestHospitalRestoredFromABackup: a custodian's state from before it sent several times. It
// freezes at its next Join; recovered, it remembers these sends by the coordinator's log and
// takes part again.
func TestHospitalRestoredFromABackup(t *testing.T) {
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 4, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 20, 0 })
		slowly := func() *fed {
			f := newFed(t, r, d, wounds{})
			f.train = func(ctx context.Context, _ int) { sleep(ctx, time.Second) }
			return f
		}
		if f := slowly(); !f.run(version(2)) {
			t.Fatalf("%s", f.logs)
		}
		backup := d.clone(t, t.TempDir())
		if f := slowly(); !f.run(version(5)) {
			t.Fatalf("%s", f.logs)
		}
		want, err := client.ReplayJournal(newFed(t, r, d, wounds{}).config(0, storagetest.NewFaulty(d.stores[0], storagetest.Fault{})))
		if err != nil {
			t.Fatal(err)
		}
		d.stores[0], d.states[0] = backup.stores[0], backup.states[0]
		f := slowly()
		cfg := f.config(0, storagetest.NewFaulty(d.stores[0], storagetest.Fault{}))
		frozen := filepath.Join(cfg.State, "frozen")
		var recovery client.Recovery
		var at uint64
		ok := f.run(func(s coordinator.Status) bool {
			if _, err := os.Stat(frozen); err == nil && recovery.Join == 0 {
				if recovery, err = client.Recover(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
				at = s.Version
			}
			return at > 0 && s.Version >= at+5
		})
		if !ok {
			t.Error("wedged")
		}
		if logs := f.logs.String(); !strings.Contains(logs, "ended: frozen: this hospital signed what its journal does not know") {
			t.Error("it did not freeze")
		}
		h, err := f.check(t.Context())
		if err != nil {
			t.Error(err)
		}
		got, err := client.ReplayJournal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range want.Memory {
			now, known := got.Recall(m.Manifest)
			lost := now.Sent == now.Candidate // it never arrived: the candidate that stood is remembered instead
			if m.HasSent() && (!known || now.Sent != m.Sent && !lost || now.Candidate != m.Candidate || now.Set != m.Set || !slices.Equal(now.Questions, m.Questions)) {
				t.Errorf("the send under manifest %s is forgotten", m.Manifest.Short())
			}
		}
		if recovery.Sends == 0 || recovery.JoinBefore >= recovery.Join {
			t.Errorf("recovery %+v: want sends that the journal lacked, and a later join", recovery)
		}
		if n := len(h.published); n == 0 || len(h.published[n-1].round.S[0]) != 4 {
			t.Error("it does not take part again")
		}
		if t.Failed() {
			t.Logf("%+v\n%s", recovery, f.logs)
		}
	})
}
