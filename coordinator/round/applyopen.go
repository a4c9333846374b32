package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

func applyCandidate(s State, e Entry) (State, error) {
	if err := current(s, e, Collecting, Opening); err != nil {
		return s, err
	}
	set := collected(s).groups
	left, may := s.submitted()
	if s.Round.Phase == Opening {
		left, may = leaveOut(s.Round.S, e.Hospitals), nil
		c := choose(s, e.Hospitals)
		if s.Stands() || c.problem != "" || len(c.dropped) == 0 || !slices.Equal(c.dropped, e.Hospitals) {
			return s, fmt.Errorf("round %d: S does not follow from what custodians could read: %s", e.Round, c.problem)
		}
		set = c.set
	} else if len(e.Hospitals) > 0 {
		return s, fmt.Errorf("round %d: the first candidate leaves out %s", e.Round, e.Hospitals[0])
	}
	if !s.enough(set) || e.Bytes < 0 {
		return s, fmt.Errorf("round %d: too few updates for a candidate", e.Round)
	}
	s = s.closes(e).fellShort(may).fellShort(left)
	s.Round.Phase, s.Round.Candidate, s.Round.S, s.Round.Deadline = Opening, e.Blob, set, e.Deadline
	s.Round.Tried++
	s.Round.Dropped = append(slices.Clip(s.Round.Dropped), e.Hospitals...)
	s.Round.Each, s.Round.Fetched = 0, nil
	if e.Bytes > federation.AddBytes {
		s.Round.Each = e.Bytes / int64(len(slices.Concat(set...)))
	}
	s.Round.Readies, s.Round.Vouches = nil, nil
	return s, nil
}

func applyReady(s State, e Entry) (State, error) {
	if err := current(s, e, Opening, Publishing); err != nil {
		return s, err
	}
	answer := Answer{Custodian: e.Hospital, Blob: e.Blob}
	if len(e.Hospitals) > 0 { // an entry does not tell an empty list from none
		answer.Unreadable = e.Hospitals
	}
	s.Round.Readies = append(slices.Clone(s.Round.Readies), answer)
	return s, nil
}

func applyVouch(s State, e Entry) (State, error) {
	if err := current(s, e, Opening); err != nil {
		return s, err
	}
	s.Round.Vouches = append(slices.Clone(s.Round.Vouches), Held{e.Hospital, e.Blob})
	return s, nil
}

func applyFetch(s State, e Entry) (State, error) {
	if err := current(s, e, Opening); err != nil {
		return s, err
	}
	waiting := slices.Concat(s.unvouched()...)
	if e.Blob != s.Round.Candidate || !s.mayFetch(e.Hospitals) || slices.ContainsFunc(e.Hospitals, func(id federation.HospitalID) bool { return !slices.Contains(waiting, id) }) {
		return s, fmt.Errorf("round %d: the ciphertexts of %d submitters are not for custodians to fetch", e.Round, len(e.Hospitals))
	}
	s.Round.Fetched = append(slices.Clone(s.Round.Fetched), e.Hospitals...)
	return s, nil
}

func applySend(s State, e Entry) (State, error) {
	if err := current(s, e, Opening, Publishing); err != nil {
		return s, err
	}
	if !s.Stands() || !slices.Contains(s.clean(), e.Hospital) {
		return s, fmt.Errorf("round %d: share sums of %s before %d custodians are ready", e.Round, e.Hospital, s.Charter.Threshold)
	}
	s.Round.Sends = append(slices.Clone(s.Round.Sends), Held{e.Hospital, e.Blob})
	if len(s.Round.Sends) >= s.Charter.Threshold {
		s.Round.Phase = Publishing
	}
	return s, nil
}

func applyBurn(s State, e Entry) (State, error) {
	if err := current(s, e, Opening); err != nil {
		return s, err
	}
	s.Round.Burns = append(slices.Clone(s.Round.Burns), Held{e.Hospital, e.Blob})
	return s, nil
}

func applyPublish(s State, e Entry) (State, error) {
	if err := current(s, e, Publishing); err != nil {
		return s, err
	}
	if e.Version != 0 && e.Version != s.Newest+1 {
		return s, fmt.Errorf("version %d after %d", e.Version, s.Newest)
	}
	if e.Sketch != nil && (e.Version == 0 || s.Charter.Guard == 0) {
		return s, fmt.Errorf("version %d has a sketch, and nothing is guarded", e.Version)
	}
	s.Round.Phase, s.Round.Deadline = Done, ""
	s = s.over(e.Time)
	s.Failures, s.NotBefore = 0, ""
	s = s.remember(Attempt{Public: true}).noted().opened(e).cameBack()
	same, steps := e.Parameters == s.Model.Parameters, uint64(0)
	switch s.Round.Kind {
	case federation.Evaluate:
		s = s.evaluated()
		s.Scored = s.Scored.with(s.Schedule.Stop, s.Model.Number, e.Metric)
	case federation.Train:
		s.Trained++
		steps = s.Model.Steps + 1
		s.Converged = same || s.Charter.Near(e.Sketch, s.Sketch)
		if same && s.Evaluated > 0 && s.Evaluated == s.Trained-1 { // what was asked of the same parameters is not asked again
			s.Evaluated = s.Trained
		}
	}
	if e.Version == 0 {
		return s, nil
	}
	s.Model, s.Sketch, s.Signed = Version{e.Version, e.Snapshot, e.Parameters, e.Round, steps}, e.Sketch, nil
	s.Newest, s.Numbered, s.Outcome.Steps = e.Version, nil, steps
	if !same { // no one asks about the parameters of an old version again, and what was burned nobody else needs to know
		s.Attempts = slices.DeleteFunc(slices.Clone(s.Attempts), func(a Attempt) bool { return a.Kind != federation.Statistics && !s.open(&a) })
	}
	return s, nil
}

// remember adds the manifest of the round under way to those that the next round on its
// question has to reckon with.
func (s State) remember(a Attempt) State {
	r := s.Round
	a.Round, a.Kind, a.Questions, a.Asks, a.Manifest, a.Plan, a.Burns = r.Number, r.Kind, r.Questions, r.Asks, r.Manifest, s.Plan, r.Burns
	if a.Failed {
		a.S, a.Pin = r.S, r.PinnedTo
	}
	s.Attempts = append(slices.Clone(s.Attempts), a)
	return s
}

// opened takes up what custodians are to derive from the round under way.
func (s State) opened(e Entry) State {
	r := s.Round
	s.Outcome = Outcome{Round: r.Number, Header: r.Header, Manifest: r.Manifest, Candidate: r.Candidate, Sends: r.Sends,
		Plan: s.Plan, Version: e.Version, Snapshot: e.Snapshot, Parameters: e.Parameters, Owing: s.clean()}
	if !e.Failed {
		s.Outcome.Result = e.Blob
	}
	return s
}

func applyAbandon(s State, e Entry) (State, error) {
	if err := current(s, e, Gathering, Collecting, Opening, Publishing); err != nil {
		return s, err
	}
	if e.Reason == "" || (e.Failed && s.Round.Phase != Publishing) {
		return s, fmt.Errorf("round %d: no reason, or nothing is open", e.Round)
	}
	if e.Skipped != s.skips() {
		return s, fmt.Errorf("round %d: a %s round while %s, skipped: %v", e.Round, s.Round.Kind, s.Round.Phase, e.Skipped)
	}
	if e.Short {
		set := s.leftShort(e.Hospitals, true)
		if set == nil {
			return s, fmt.Errorf("round %d: no column fell short", e.Round)
		}
		s = s.fellShort(set)
	}
	stands := s.Stands()
	if stands && len(s.Round.Burns) < s.Charter.BurnQuorum() { // it was opened, or may be
		s = s.noted()
	}
	s = s.closes(e)
	s.Round.Phase, s.Round.Reason, s.Round.Deadline = Abandoned, e.Reason, ""
	s = s.over(e.Time)
	s.Failures++
	s.NotBefore = e.Deadline
	if e.Skipped {
		s = s.skipped()
	}
	if stands { // custodians were asked to send
		s = s.remember(Attempt{Failed: e.Failed})
	}
	if e.Failed {
		s = s.opened(e)
	}
	return s, nil
}

func applyDerived(s State, e Entry) (State, error) {
	if e.Manifest != s.Outcome.Manifest || e.Round != s.Outcome.Round || !slices.Contains(s.Outcome.Owing, e.Hospital) {
		return s, fmt.Errorf("%s is not to derive anything of round %d", e.Hospital, e.Round)
	}
	o := s.Outcome
	o.Owing = slices.DeleteFunc(slices.Clone(o.Owing), func(id federation.HospitalID) bool { return id == e.Hospital })
	if held := (Held{e.Hospital, e.Blob}); e.Reason == "" {
		o.Derived = append(slices.Clone(o.Derived), held)
		switch { // else a plan began meanwhile
		case o.Version == 0:
		case o.Version == s.Model.Number:
			s.Signed = append(slices.Clone(s.Signed), held)
		case o.Version == s.Newest:
			s.Numbered = append(slices.Clone(s.Numbered), held)
		}
	} else {
		o.Disputed = append(slices.Clone(o.Disputed), held)
	}
	s.Outcome = o
	return s, nil
}
