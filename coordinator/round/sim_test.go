package round_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

var (
	oneSeed   = flag.Uint64("federation.seed", 0, "run this one random federation")
	manySeeds = flag.Int("federation.count", 400, "number of random federations")
)

// TestRandomFederations runs federations of 3 to 6 hospitals through random faults, with
// one-hot updates: in every published sum a 0 for an acknowledged update means lost and
// a 2 means counted twice. When the faults are over and all are back, the plan must
// finish; where one hospital stays away for good it must finish too, unless the rules
// of the protocol themselves forbid it.
func TestRandomFederations(t *testing.T) {
	var sum tally
	first, last := uint64(1), uint64(*manySeeds)
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		w := newWorld(t, seed)
		w.run(w.between(60_000, 200_000), func() bool { return false })
		stays := seed%4 == 0 && len(w.hospitals) > 3
		w.heal(stays)
		patient := 1500 * time.Second
		if w.charter.Cohort == federation.CohortAll { // who declined is asked again up to an hour later
			patient += 2 * time.Hour
		}
		ok := w.run(w.now+patient, func() bool { return w.coord.up && w.coord.state.Finished != "" })
		w.check()
		if reason := w.coord.state.Finished; strings.Contains(reason, "answered") {
			w.fail("the plan ends because %s", reason)
		}
		if !ok && !w.stuckByRule() {
			w.fail("the plan does not finish: %s", w.coord)
		}
		sum.add(w, ok)
	}
	t.Logf("%+v", sum)
	if *oneSeed == 0 && last >= 100 {
		sum.check(t)
	}
}

// heal ends the faults; everyone comes back but, if stays, one hospital.
func (w *world) heal(stays bool) {
	w.healthy = true
	for _, h := range w.hospitals {
		h.hostile = false
	}
	if stays {
		w.forever = w.hospitals[w.rng.IntN(len(w.hospitals))]
		w.forever.up = false
		w.note("%s (%s) is gone for good", w.forever.name, w.forever.id)
	}
	w.note("the faults are over")
}

// stuckByRule: some sent for a candidate, too many for a certificate; the others are gone for
// good, burned it, declined or cannot be ready any more because their key is lost; or no group of a sum held
// that is asked of the one who is gone. Only a new epoch goes on from there (design §4).
func (w *world) stuckByRule() bool {
	s, r := w.coord.state, w.coord.state.Round
	gone := func(id federation.HospitalID) bool { return w.forever != nil && w.forever.id == id }
	if r.Phase == round.Gathering && s.Charter.Cohort == federation.CohortAll {
		return w.forever != nil && strings.Contains(round.Waiting(s), string(w.forever.id)+" did not join")
	}
	if r.Phase == round.Gathering {
		return slices.ContainsFunc(s.Attempts, func(a round.Attempt) bool {
			return a.Failed && slices.ContainsFunc(a.S, func(g []federation.HospitalID) bool { return slices.ContainsFunc(g, gone) })
		})
	}
	if !s.Stands() || len(r.Sends) < s.Charter.Threshold-s.Charter.MaxHostile {
		return false
	}
	return !slices.ContainsFunc(s.Charter.Custodians, func(id federation.HospitalID) bool {
		has := func(list []round.Held) bool {
			return slices.ContainsFunc(list, func(h round.Held) bool { return h.Hospital == id })
		}
		burned := slices.ContainsFunc(w.hospitals, func(h *hospital) bool {
			m, _ := h.state.Recall(r.Manifest)
			return h.id == id && m.Burned
		})
		ready := slices.ContainsFunc(r.Readies, func(a round.Answer) bool { return a.Custodian == id && len(a.Unreadable) == 0 })
		return !gone(id) && !has(r.Sends) && !burned && ready
	})
}

// tally counts what happened over all seeds, so that a simulation in which nothing
// happens does not pass.
type tally struct {
	Finished, Stuck, Done, Abandoned, Updates, Discarded, Dropped, Another, Vouches, Sends, Late, Failed, Burns, Certified, Pinned int
	Declined, Leads, Wrong, Derived, Disputed, Drawn, PinnedDraw, Content                                                          int
}

func (s *tally) add(w *world, finished bool) {
	if finished {
		s.Finished++
	} else {
		s.Stuck++
	}
	s.replay(w)
	for _, e := range w.coord.decoded() {
		switch e.Kind {
		case round.Publish:
			s.Done++
			s.Wrong += len(e.Custodians)
		case round.Abandon:
			s.Abandoned++
			if e.Failed {
				s.Failed++
			}
		case round.Update:
			s.Updates++
		case round.Discard:
			s.Discarded++
		case round.Candidate:
			s.Dropped += len(e.Hospitals)
			if len(e.Hospitals) > 0 {
				s.Another++
			}
		case round.Vouched:
			s.Vouches++
		case round.Send:
			s.Sends++
		case round.Derived:
			s.Derived++
			if e.Reason != "" {
				s.Disputed++
			}
		case round.Burn:
			s.Burns++
		case round.Collect:
			if e.Pinned {
				s.Pinned++
			}
		case round.Declined:
			s.Declined++
		case round.Lead:
			s.Leads++
		}
	}
	for _, h := range w.hospitals {
		if slices.ContainsFunc(h.state.Memory, func(m participant.Memory) bool { return m.Certified }) {
			s.Certified++
		}
	}
}

// replay counts what only the states tell: cohorts that leave someone out who joined, those
// that are pinned to one that was drawn, and rounds that were content without someone.
func (s *tally) replay(w *world) {
	state := round.State{Charter: w.charter}
	for _, e := range w.coord.decoded() {
		if e.Kind == round.Ready && state.Stands() {
			s.Late++
		}
		state, _ = round.Apply(state, e)
		asked := len(slices.Concat(state.Round.Cohort...))
		explained := state.Round.Kind == federation.Train && state.Schedule.Cohort.On()
		switch {
		case e.Kind == round.Collect && explained && state.Round.Pinned == nil && asked < len(state.Round.Joined)-len(state.Round.Declines):
			s.Drawn++
		case e.Kind == round.Collect && explained && state.Round.Pinned != nil:
			s.PinnedDraw++
		case e.Kind == round.Candidate && explained && len(state.Round.Updates) < asked:
			s.Content++
		}
	}
}

func (s tally) check(t *testing.T) {
	for name, n := range map[string]int{"done": s.Done, "abandoned": s.Abandoned, "discarded": s.Discarded, "dropped": s.Dropped,
		"a second candidate": s.Another, "vouched": s.Vouches, "late": s.Late, "failed": s.Failed, "derived": s.Derived, "disputed": s.Disputed,
		"burned": s.Burns, "certified": s.Certified, "pinned": s.Pinned, "declined": s.Declined, "wrong": s.Wrong,
		"drawn": s.Drawn, "content": s.Content} {
		if n == 0 {
			t.Errorf("over all federations nothing was %s: the faults are too tame", name)
		}
	}
}
