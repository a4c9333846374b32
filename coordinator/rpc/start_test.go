package rpc_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"atrium/client"
	"atrium/client/audit"
	"atrium/client/policy"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// daemons runs every hospital under the plan that is approved there, with these releases.
func (w *world) daemons(releases []policy.Release) (stop func()) {
	w.t.Helper()
	var stops []func()
	for _, name := range w.names {
		cfg := w.config(name)
		cfg.Policy.Releases = releases
		d, err := client.Open(cfg)
		w.must(err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		stops = append(stops, func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("hospital %s: %v", name, err)
			}
			w.must(d.Close())
		})
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// trains installs a plan and runs it to its end. Whenever the round waits for releases, people
// at every hospital give them; asked counts the openings that they released.
func (w *world) trains(c *coordinator.Coordinator, p federation.Plan) (s coordinator.Status, asked int) {
	w.t.Helper()
	w.setPlan(p)
	var releases []policy.Release
	stop := w.daemons(releases)
	w.must(c.SetPlan(w.t.Context(), p))
	for {
		var wants []policy.Release
		s = w.until(c, p.Name, func(s coordinator.Status) bool {
			wants = nil
			v := c.View()
			if h, err := federation.DecodeHeader(v.Header); err == nil && v.State.Round.Phase == round.Gathering && h.Plan == p.Digest() {
				for _, m := range h.Releases {
					if r := (policy.Release{Plan: h.Plan, Manifest: m}); !slices.Contains(releases, r) {
						wants = append(wants, r)
					}
				}
			}
			return finished(s) && s.PlanDigest == p.Digest() || wants != nil
		})
		stop()
		if wants == nil {
			return s, len(releases)
		}
		releases = append(releases, wants...)
		stop = w.daemons(releases)
	}
}

// TestPlansBegin: plans with other columns, from the first version with another rate, and from
// an older version that nobody trained on: the line of versions goes on, what was answered is
// released by everyone before it is asked again, and an audit derives all of it.
func TestPlansBegin(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Features = 2, 0, p.Features[:12]
	})
	c, stop := w.coordinator()
	defer stop()
	ends := func(p federation.Plan, version uint64, released int) coordinator.Status {
		t.Helper()
		s, asked := w.trains(c, p)
		if s.Version != version || asked != released {
			t.Fatalf("plan %s ends with version %d after %d releases, want %d and %d: %s", p.Name, s.Version, asked, version, released, s.Finished)
		}
		return s
	}
	first := w.plan
	ends(first, 3, 0)
	versions := w.audited(c).Versions

	other := first
	other.Name, other.Features = "other-columns", plans.Cardiology().Features[1:]
	if err := c.SetPlan(t.Context(), other); !errors.Is(err, coordinator.ErrPlan) || !strings.Contains(err.Error(), "other features") || !strings.Contains(err.Error(), "anew") {
		t.Fatalf("other columns on the newest version: %v", err)
	}
	other.Start.Anew = true
	ends(other, 6, 2) // all statistics are one question, and so is training on nothing but zeros

	over := first
	over.Name, over.Local.LearningRate = "over", first.Local.LearningRate/2
	over.Start = federation.Start{Version: 1, Snapshot: versions[1].Snapshot.String()}
	if err := c.SetPlan(t.Context(), over); !errors.Is(err, coordinator.ErrPlan) || !strings.Contains(err.Error(), "no such version") {
		t.Fatalf("another snapshot than version 1 has: %v", err)
	}
	over.Start.Snapshot = versions[0].Snapshot.String()
	ends(over, 8, 2) // it trains on zeros a third time

	on := first
	on.Name, on.Schedule.Rounds, on.Schedule.EvaluateEvery = "on", 1, 1
	on.Start = federation.Start{Version: 3, Snapshot: versions[2].Snapshot.String()}
	ends(on, 9, 0) // nobody trained on version 3

	s := ends(over, 1, 0) // it begins there again, and at once ends
	if !strings.Contains(s.Finished, "under the same plan") || s.Trained != 0 || s.Newest != 9 {
		t.Errorf("a plan that is installed again: version %d of %d, %s", s.Version, s.Newest, s.Finished)
	}
	report := w.audited(c)
	var bases []uint64
	for i, v := range report.Versions {
		if v.Number != uint64(i+1) {
			t.Errorf("version %d is number %d", v.Number, i+1)
		}
		bases = append(bases, v.Base)
	}
	if want := []uint64{0, 1, 2, 0, 4, 5, 1, 7, 3}; !slices.Equal(bases, want) {
		t.Errorf("versions follow from %v, want %v", bases, want)
	}
	if r, err := audit.Verify(t.Context(), c.Bucket(), audit.Options{Charter: w.charter.Digest()}); err != nil || r.Version != 9 {
		t.Errorf("the newest version is %d: %v", r.Version, err)
	}
}

// TestOlderVersionLeavesWhatWasKept: control variates of server and hospitals, and tensors that
// are a hospital's own, belong to the versions that are left behind. Hospitals that deleted
// theirs of the older version train on from it, and an audit derives what follows.
func TestOlderVersionLeavesWhatWasKept(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery = 3, 0
		p.Aggregation = federation.Aggregation{Rule: federation.Scaffold, LearningRate: 1, LocalTensors: []string{"*bias"}}
		p.Local.ProxMu, p.Local.Momentum, p.Privacy.Bits = 0, 0, 16
	})
	c, stop := w.coordinator()
	defer stop()
	if s, _ := w.trains(c, w.plan); s.Version != 4 {
		t.Fatalf("version %d: %s", s.Version, s.Finished)
	}
	versions := w.audited(c).Versions
	back := w.plan
	back.Name, back.Start = "back", federation.Start{Version: 2, Snapshot: versions[1].Snapshot.String()}
	s, released := w.trains(c, back)
	if s.Version != 7 || released != 1 {
		t.Fatalf("version %d after %d releases: %s", s.Version, released, s.Finished)
	}
	again := w.audited(c).Versions
	if len(again) != 7 || again[4].Base != 2 || again[4].Snapshot == versions[2].Snapshot {
		t.Errorf("versions: %+v", again)
	}
}
