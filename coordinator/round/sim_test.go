package round_test

import (
	"flag"
	"slices"
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
		ok := w.run(w.now+1500*time.Second, func() bool { return w.coord.up && w.coord.state.Finished != "" })
		w.check()
		if !ok && !(stays && w.stuckByRule()) {
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

// stuckByRule: custodians answered on the question for an S that holds the hospital that
// stays away, too many for a burn certificate and too few to open the sum (design §4:
// only a new epoch releases it).
func (w *world) stuckByRule() bool {
	s := w.coord.state
	if s.Round.Phase != round.Gathering {
		return false
	}
	for _, a := range s.Attempts {
		if a.S == nil || !slices.ContainsFunc(a.S, func(g []answerer) bool { return slices.Contains(g, w.forever.id) }) {
			continue
		}
		free := 0
		for _, h := range w.hospitals {
			m, ok := h.state.Recall(a.Manifest)
			if (h != w.forever && !(ok && m.Answered())) || (h == w.forever && slices.ContainsFunc(a.Burns, func(b round.Held) bool { return b.Hospital == h.id })) {
				free++
			}
		}
		if free < w.charter.BurnQuorum() {
			return true
		}
	}
	return false
}

// tally counts what happened over all seeds, so that a simulation in which nothing
// happens does not pass.
type tally struct {
	Finished, Stuck, Done, Abandoned, Updates, Discarded, Dropped, Excused, Burns, Certified, Pinned, Declined, Leads, Wrong, Drawn, PinnedDraw, Content int
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
		case round.Update:
			s.Updates++
		case round.Discard:
			s.Discarded++
		case round.Select:
			s.Dropped += len(e.Hospitals)
			s.Excused += len(e.Custodians)
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
		"excused": s.Excused, "burns": s.Burns, "certified": s.Certified, "pinned": s.Pinned, "declined": s.Declined, "wrong": s.Wrong,
		"drawn": s.Drawn, "pinned to a draw": s.PinnedDraw, "content": s.Content} {
		if n == 0 {
			t.Errorf("over all federations nothing was %s: the faults are too tame", name)
		}
	}
}
