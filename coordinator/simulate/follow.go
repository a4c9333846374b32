package simulate

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// follow keeps account of what an entry changed, and has the cohort compute when it is asked.
func (w *world) follow(e round.Entry) {
	r := w.coord.state.Round
	switch e.Kind {
	case round.Open:
		w.rounds = append(w.rounds, RoundResult{Number: r.Number, Kind: r.Kind, Opened: w.days(), ByClass: make([]int, len(w.cfg.Profiles.Classes))})
		w.lines.computed, w.opened = nil, w.now
		w.count(-1)
	case round.Join:
		if j, _ := r.Join(e.Hospital); j.Times == 1 && r.Kind == federation.Train {
			w.byID[e.Hospital].joined++
		}
	case round.Collect:
		cohort := slices.Concat(r.Cohort...)
		w.last().Cohort = len(cohort)
		w.fail(w.compute(w.blobs[r.Header].(federation.Header), cohort))
	case round.Discard:
		w.last().Late++
		if h := w.byID[e.Hospital]; r.Kind == federation.Train {
			h.late++
			h.wasted += h.lastTraining
		}
	case round.Declined:
		if e.Role == federation.RoleUpdate {
			w.last().Declined++
		}
	case round.Publish:
		w.summed(r)
		w.ends("")
	case round.Abandon:
		for _, u := range r.Updates {
			if h := w.byID[u.Hospital]; r.Kind == federation.Train {
				h.wasted += h.lastTraining
			}
		}
		w.fail(w.kept.end(r.Number))
		w.ends(e.Reason)
		if n := w.coord.state.Failures; n >= MaxFailures {
			w.fail(fmt.Errorf("%d rounds were abandoned one after the other, the last because: %s", n, e.Reason))
		}
	}
}

func (w *world) last() *RoundResult { return &w.rounds[len(w.rounds)-1] }

func (w *world) days() float64 { return w.now.Hours() / 24 }

// summed counts the hospitals of S.
func (w *world) summed(r round.Round) {
	for _, id := range slices.Concat(r.S...) {
		h := w.byID[id]
		w.last().Summed++
		w.last().ByClass[h.drawn.Class]++
		if r.Kind == federation.Train {
			h.summed++
		}
	}
}

// ends closes the account of a round.
func (w *world) ends(reason string) {
	w.last().Ended, w.last().Reason = w.days(), reason
	w.last().Joined = len(w.coord.state.Round.Joined)
	w.count(1)
	w.tell(true)
}

// count adds the bytes of all hospitals so far to the round's, or takes them away.
func (w *world) count(sign int64) {
	for _, h := range w.hosts {
		w.last().Up += sign * h.upBytes
		w.last().Down += sign * h.downBytes
	}
}

// tell reports progress.
func (w *world) tell(ended bool) {
	if w.cfg.Progress == nil {
		return
	}
	s := w.coord.state
	p := Progress{Round: s.Round.Number, Kind: s.Round.Kind, Phase: string(s.Round.Phase), Done: s.Trained, Of: s.Schedule.Rounds, Days: w.days(), Ended: ended}
	for i := len(w.rounds) - 1; i >= 0 && p.Metric == nil; i-- {
		if m := w.rounds[i].Metric; m != nil {
			p.Metric = m.AUC
		}
	}
	w.cfg.Progress(p)
}

// result puts the account together.
func (w *world) result() Result {
	s := w.coord.state
	out := Result{Plan: w.plan.Name, PlanDigest: w.plan.Digest(), Seed: w.cfg.Seed, Hospitals: len(w.hosts), Groups: len(w.charter.Groups),
		Custodians: len(w.charter.Custodians), Threshold: w.charter.Threshold, MinCohort: w.charter.MinCohort, Parameters: w.plan.ParameterCount(),
		Reason: s.Finished, Days: w.days(), Trained: s.Trained, Rounds: w.rounds, Log: w.coord.head, Lost: w.lines.lost}
	trains := 0
	for _, r := range w.rounds {
		if r.Reason != "" {
			out.Abandoned++
		}
		if r.Kind == federation.Train {
			trains++
		}
	}
	for i, class := range w.cfg.Profiles.Classes {
		out.Classes = append(out.Classes, w.classResult(i, class, trains))
	}
	for _, h := range w.hosts {
		out.Up += h.upBytes
		out.Down += h.downBytes
	}
	return out
}

// classResult adds up the hospitals of a class over so many train rounds.
func (w *world) classResult(index int, class Class, trains int) ClassResult {
	out := ClassResult{Name: class.Name}
	for _, h := range w.hosts {
		if h.drawn.Class != index {
			continue
		}
		present := h.present
		if h.up {
			present += w.now - h.since
		}
		out.Hospitals++
		out.Rows += w.cfg.Encrypted.Rows(h.index, federation.Train)
		out.Present += present.Seconds() / w.now.Seconds()
		out.Joined += float64(h.joined)
		out.Summed += float64(h.summed)
		out.Late += float64(h.late)
		if h.summed == 0 {
			out.Never++
		}
		out.TrainHours += h.trained.Hours()
		out.WastedHours += h.wasted.Hours()
		out.Up += h.upBytes
		out.Down += h.downBytes
	}
	if out.Hospitals > 0 {
		out.Present /= float64(out.Hospitals)
		rounds := float64(out.Hospitals * max(trains, 1))
		out.Joined, out.Summed, out.Late = out.Joined/rounds, out.Summed/rounds, out.Late/rounds
	}
	return out
}
