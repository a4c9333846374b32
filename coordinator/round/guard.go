package round

import (
	"fmt"
	"slices"
	"time"

	"atrium/coordinator/federation"
)

// Line is whom the evaluations of a part of the records are of, version after version and plan
// after plan: S of the first in the epoch.
type Line struct {
	Part federation.Part           `json:"part,omitzero"`
	Set  [][]federation.HospitalID `json:"set"`
}

// line is whom an evaluation of these records is of; nil before the first.
func (s State) line() [][]federation.HospitalID {
	i := slices.IndexFunc(s.Lines, func(l Line) bool { return l.Part.SameLine(s.Round.Part) })
	if i < 0 || s.Round.Kind != federation.Evaluate {
		return nil
	}
	return s.Lines[i].Set
}

// opens is what the guard would remember of a set.
func (s State) opens(set [][]federation.HospitalID) federation.Opened {
	return federation.Opened{Manifest: s.Round.Manifest, Kind: s.Round.Kind, Part: s.Round.Part, Set: set, Sketch: s.Sketch}
}

// noted remembers whom the round under way summed: custodians were asked to send.
func (s State) noted() State {
	r := s.Round
	if s.Charter.Guards(r.Kind) && s.Sketch != nil {
		s.Opened = federation.Remember(s.Opened, s.opens(r.S))
	}
	known := func(l Line) bool { return l.Part == r.Part }
	if r.Kind == federation.Evaluate && !slices.ContainsFunc(s.Lines, known) && len(s.Lines) < federation.MaxLines {
		s.Lines = append(slices.Clip(s.Lines), Line{r.Part, r.S})
	}
	return s
}

// meets returns the sum that was opened, and that not every hospital released, to which one of
// these groups would be too like.
func (s State) meets(groups [][]federation.HospitalID) (federation.Opened, bool) {
	set, bind := slices.Clone(groups), s.Opened
	s.dropSmall(set)
	if slices.ContainsFunc(s.Round.Joined, func(j Joined) bool { return len(j.Releases) > 0 }) {
		bind = slices.DeleteFunc(slices.Clone(bind), func(o federation.Opened) bool { return s.released(o.Manifest) })
	}
	return s.Charter.Meets(bind, s.opens(set))
}

// guarded is the pin of a round that would meet the guard: exactly whom the sum on nearly the
// same version was of. Whom a draw asks cannot be changed, so such a round waits for others.
func (s State) guarded(g gathering) gathering {
	like, met := s.meets(g.cohort)
	switch {
	case !met:
	case s.draw().On():
		g.waiting = "other hospitals are needed: " + guardWords
	default:
		g.pin, g.because = like.Set, guardWords+" of exactly these hospitals"
		g.cohort = s.joinedGroups(g.pin)
	}
	return g
}

const guardWords = "on nearly the same version a sum was opened"

// skipAfter is how many times in a row an evaluation may be tried.
const skipAfter = 3

// skips reports whether a round that is abandoned now is an evaluation that is left out: it
// must be of certain hospitals and somebody is missing, it was answered and is not released, or
// it came to nothing again. It is never awaited; the schedule goes on as if it were done. A month
// holds up no training, and cannot be asked about later: it is tried for as long as the plan has
// patience, unless it waits for a release.
func (s State) skips() bool {
	if s.Round.Kind != federation.Evaluate {
		return false
	}
	gathers := s.Round.Phase == Gathering
	if !s.Round.Part.Whole() && !(gathers && s.unreleased() != "") {
		return s.tried() >= s.Schedule.Patience()
	}
	fixed := s.whole() || s.Round.Pinned != nil || gathers && (gathered(s).pin != nil || s.unreleased() != "")
	return fixed && (gathers || s.Failures > 0) || s.Failures >= skipAfter-1
}

// tried is the least time for which a month was tried: the pauses between its rounds so far.
func (s State) tried() time.Duration {
	sum := time.Duration(0)
	for n := range s.Failures {
		sum += s.pauseAfter(n)
	}
	return sum
}

// evaluationDefeat says who is missing of an evaluation that gathered for its time.
func (s State) evaluationDefeat(w When) string {
	if s.Round.Kind != federation.Evaluate || !w.past(s.Round.Deadline) {
		return ""
	}
	if g := gathered(s); s.whole() || g.pin != nil || s.unreleased() != "" {
		return g.waiting
	}
	return ""
}

// skipped ends an evaluation as if it were done, without a score.
func (s State) skipped() State {
	s.Failures, s.NotBefore = 0, ""
	return s.evaluated()
}

// evaluated is the schedule after an evaluation.
func (s State) evaluated() State {
	if !s.Round.Part.Whole() {
		s.Month = s.Round.Part.Month
		return s
	}
	s.Evaluated = s.Trained
	return s
}

func (s State) skipWords(reason string) string {
	if month := s.Round.Part.Month; month != "" {
		return fmt.Sprintf("the evaluation of version %d by month %s is skipped: %s", s.Model.Number, month, reason)
	}
	return fmt.Sprintf("the evaluation of version %d is skipped: %s", s.Model.Number, reason)
}

func invariantOpened(s State) error {
	if len(s.Opened) > federation.MaxOpened || len(s.Lines) > federation.MaxLines {
		return fmt.Errorf("%d sums and %d lines are remembered", len(s.Opened), len(s.Lines))
	}
	if s.Sketch != nil && s.Charter.Guard == 0 || len(s.Opened) > 0 && s.Charter.Guard == 0 {
		return fmt.Errorf("sums are remembered and nothing is guarded")
	}
	return nil
}
