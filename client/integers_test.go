package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/storagetest"
)

// fields opens the sum of a candidate from custodians' share sums, as integers.
func (p *play) fields(list federation.Candidate, sums map[federation.HospitalID][]byte) []uint64 {
	l := p.l
	l.t.Helper()
	params, err := opening.Parameters(p.header.Ring)
	must(l.t, err)
	var points []int
	var shares [][]uint16
	for id, raw := range sums {
		if len(points) == l.charter.Threshold {
			break
		}
		point, _ := l.charter.Point(id)
		share, err := shamir.Unmarshal(raw, params.N())
		must(l.t, err)
		points, shares = append(points, point), append(shares, share)
	}
	key, err := shamir.Interpolate(points, shares)
	must(l.t, err)
	segments, err := opening.DecodeList(l.blobs[list.Sums[0]])
	must(l.t, err)
	sum := params.NewSum()
	if len(segments.Segments) != 1 {
		l.t.Fatalf("%d segments", len(segments.Segments))
	}
	must(l.t, sum.Add(l.blobs[segments.Segments[0]]))
	values := make([]uint64, p.header.Format.Count())
	must(l.t, params.Open(federation.PublicSeed(p.manifest.Digest(), 0), key, sum, len(list.Groups[0]), values))
	return values
}

// heldSums reads the share sums that custodians hold for a candidate from their own disks,
// while no daemon runs.
func (p *play) heldSums(list federation.Candidate, sites []*site) map[federation.HospitalID][]byte {
	t := p.l.t
	t.Helper()
	sums := map[federation.HospitalID][]byte{}
	for _, s := range sites {
		state, err := client.ReplayJournal(s.cfg)
		must(t, err)
		m, _ := state.Recall(list.Manifest)
		held, ok := m.Ready(list.Digest())
		if !ok {
			t.Fatalf("%s holds nothing", s.name)
		}
		s.read(t, func(b storage.Bucket) {
			sums[s.id], err = storage.GetBlob(t.Context(), b, held.ShareSums[0], 1<<20)
			must(t, err)
		})
	}
	return sums
}

// read opens the store of a hospital whose daemon does not run.
func (s *site) read(t *testing.T, f func(storage.Bucket)) {
	t.Helper()
	b, err := local.Open(filepath.Join(s.cfg.State, "store"))
	must(t, err)
	f(b)
	must(t, b.Close())
}

// kept is what a hospital keeps of its own of a round, as bytes.
func (s *site) kept(t *testing.T, round uint64) (raw []byte) {
	s.read(t, func(b storage.Bucket) {
		var err error
		raw, err = b.Get(t.Context(), fmt.Sprintf("kept/%012d", round), 0, -1)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
	})
	return raw
}

// TestIntegersAreKept: a round is given up before anything was opened, and its question is
// asked again. Every hospital encrypts the very integers that it encrypted before, with the
// state of its own that belongs to them, whether its daemon went on or was started anew; the
// ciphertexts are others.
func TestIntegersAreKept(t *testing.T) {
	rules := map[string]func(*federation.Plan){
		"federated averaging": func(*federation.Plan) {},
		"control variates and a local tensor": func(p *federation.Plan) {
			p.Aggregation.Rule, p.Aggregation.LocalTensors = federation.Scaffold, []string{"bias"}
		},
	}
	for name, change := range rules {
		t.Run(name, func(t *testing.T) {
			plan := plans.Cardiology()
			change(&plan)
			l := newLiar(t, 4, 1, plan)
			first := l.gather(l.train(1))
			before := first.ready(l.sites, l.sites...)
			l.stopAll()
			sums := first.heldSums(before, l.sites)
			l.restartAll()
			second := l.gather(l.train(1)).collect() // given up too, by daemons that were started anew
			third := l.gather(l.train(1))
			after := third.ready(l.sites, l.sites...)
			third.sends(after, l.sites...)
			for _, s := range l.sites {
				sub := decode[federation.Submission](l, first.subs[s.id].signed)
				for _, p := range []*play{second, third} {
					if again := decode[federation.Submission](l, p.subs[s.id].signed); again.UpdateRoot() == sub.UpdateRoot() {
						t.Errorf("%s sent one ciphertext twice", s.name)
					}
				}
			}
			sent := map[federation.HospitalID][]byte{}
			for id, m := range third.sent {
				sent[id] = m.parts[0]
			}
			if x, y := first.fields(before, sums), third.fields(after, sent); !slices.Equal(x, y) || slices.Max(x) == 0 {
				t.Errorf("the sums differ:\n%v\n%v", x, y)
			}
			for _, s := range l.sites {
				s.stop()
				old, now := s.kept(t, first.header.Round), s.kept(t, third.header.Round)
				if !bytes.Equal(old, now) || (len(now) > 0) != (name != "federated averaging") {
					t.Errorf("%s keeps %d bytes of its own with these integers, before %d", s.name, len(now), len(old))
				}
			}
		})
	}
}

// TestIntegersAreNotPushedOut: a question is not opened, and a coordinator that lies asks about
// version after version before it asks that one again. Every hospital encrypts what it
// encrypted first.
func TestIntegersAreNotPushedOut(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	first := l.gather(l.train(1))
	before := first.ready(l.sites, l.sites...)
	l.stopAll()
	sums := first.heldSums(before, l.sites)
	l.restartAll()
	for x := range 6 {
		l.gather(l.train(float64(10 + x))).collect()
	}
	again := l.gather(l.train(1))
	after := again.ready(l.sites, l.sites...)
	again.sends(after, l.sites...)
	sent := map[federation.HospitalID][]byte{}
	for id, m := range again.sent {
		sent[id] = m.parts[0]
	}
	if x, y := first.fields(before, sums), again.fields(after, sent); !slices.Equal(x, y) || slices.Max(x) == 0 {
		t.Errorf("the sums differ:\n%v\n%v", x, y)
	}
}

// TestIntegersOfAnotherFormat: what was computed in another format is computed anew, and an
// opened question has nothing to do with the next one.
func TestIntegersOfAnotherFormat(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	l.gather(l.train(1)).collect()
	plan := l.plan
	plan.Name, plan.Privacy.Bits = "finer", 24
	l.restart(plan)
	p := l.gather(l.train(1))
	list := p.ready(l.sites, l.sites...)
	p.sends(list, l.sites...)
	sent := map[federation.HospitalID][]byte{}
	for id, m := range p.sent {
		sent[id] = m.parts[0]
	}
	if fields := p.fields(list, sent); slices.Max(fields) < 1<<18 { // not of 16 bits
		t.Errorf("no field of four 24-bit ones is above 2^18: %v", fields)
	}
}

// TestCustodianThatWasAway: a custodian is off for several rounds, of which it derived
// nothing. Back, it is ready on versions for which f+1 others signed, is summed again, and
// goes on to derive.
func TestCustodianThatWasAway(t *testing.T) {
	const rounds, away = 9, 2
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 4, func(p *federation.Plan) {
			p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.UpdateSeconds = rounds, 0, 600
		})
		f := newFed(t, r, d, wounds{})
		f.train = func(ctx context.Context, _ int) { sleep(ctx, time.Minute) }
		start := time.Now().Add(settled)
		f.shift = func(ctx context.Context, i int) (context.Context, context.CancelFunc) {
			if i == away {
				const off, on = 90 * time.Second, 330 * time.Second
				switch since := time.Since(start); {
				case since < off:
					return context.WithTimeout(ctx, off-since)
				case since < on:
					sleep(ctx, on-since)
				}
			}
			return ctx, func() {}
		}
		if !f.run(ended) {
			t.Error("wedged")
		}
		h, err := f.check(t.Context())
		if err != nil {
			t.Error(err)
		}
		missed, back := 0, 0
		for _, p := range h.published {
			switch is := slices.Contains(p.round.S[0], r.id(away)); {
			case !is:
				missed++
			case missed > 0:
				back++
			}
		}
		last := h.published[len(h.published)-1].round
		ready := slices.ContainsFunc(last.Readies, func(a round.Answer) bool { return a.Custodian == r.id(away) })
		if missed < 3 || back < 3 || !ready {
			t.Errorf("it missed %d rounds and was summed in %d later ones; ready in the last: %v", missed, back, ready)
		}
		state, err := client.ReplayJournal(f.config(away, storagetest.NewFaulty(d.stores[away], storagetest.Fault{})))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(state.Bases); n == 0 || state.Bases[n-1].Version < rounds {
			t.Errorf("it has the versions %+v", state.Bases)
		}
		if t.Failed() {
			t.Logf("%s", f.logs)
		}
	})
}
