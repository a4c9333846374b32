package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

func (ev CandidateStored) decide(s State, w When) ([]Entry, error) {
	t, err := due(s, w, TaskPropose)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(ev.Set, t.Set, slices.Equal) {
		return nil, fmt.Errorf("candidate %s: %w", ev.Blob.Short(), ErrMismatch)
	}
	e := s.entry(Candidate, w)
	e.Blob, e.Bytes, e.Deadline = ev.Blob, ev.Bytes, w.after(s.Schedule.OpenSeconds)
	if s.Round.Phase == Opening {
		e.Hospitals = choose(s, s.leftSilent(w)).dropped
	}
	return one(e)
}

func (ev ReadyVerified) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	have := slices.IndexFunc(r.Readies, func(a Answer) bool { return a.Custodian == ev.Custodian })
	switch {
	case ev.Manifest != r.Manifest || ev.Candidate != r.Candidate || r.Candidate.IsZero():
		return nil, fmt.Errorf("ready of %s: %w", ev.Custodian, ErrStale)
	case have >= 0 || (r.Phase != Opening && r.Phase != Publishing):
		return nil, nil // or too late to matter
	case !slices.Contains(s.Custodians(), ev.Custodian):
		return nil, fmt.Errorf("ready of %s: %w", ev.Custodian, ErrNotCustodian)
	case len(ev.Unreadable) > MaxUnreadable:
		return nil, fmt.Errorf("ready of %s: %d complaints, at most %d: %w", ev.Custodian, len(ev.Unreadable), MaxUnreadable, ErrMismatch)
	}
	for i, id := range ev.Unreadable {
		if !contains(r.S, id) || (i > 0 && ev.Unreadable[i-1] >= id) {
			return nil, fmt.Errorf("ready of %s: complaint about %s: %w", ev.Custodian, id, ErrMismatch)
		}
	}
	e := s.entry(Ready, w)
	e.Hospital, e.Blob, e.Hospitals = ev.Custodian, ev.Blob, ev.Unreadable
	return one(e)
}

func (ev VouchVerified) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	switch {
	case ev.Manifest != r.Manifest || ev.Candidate != r.Candidate || r.Candidate.IsZero():
		return nil, fmt.Errorf("vouch of %s: %w", ev.Hospital, ErrStale)
	case r.Each == 0 || !contains(r.S, ev.Hospital):
		return nil, fmt.Errorf("vouch of %s: %w", ev.Hospital, ErrNotInCohort)
	case r.Phase != Opening:
		return nil, nil
	}
	if have, ok := find(r.Vouches, ev.Hospital); ok {
		if have == ev.Blob {
			return nil, nil
		}
		return nil, fmt.Errorf("vouch of %s: %w", ev.Hospital, ErrConflict)
	}
	e := s.entry(Vouched, w)
	e.Hospital, e.Blob = ev.Hospital, ev.Blob
	return one(e)
}

func (ev VouchesMissing) decide(s State, w When) ([]Entry, error) {
	if _, err := due(s, w, TaskFetch); err != nil {
		return nil, err
	}
	e := s.entry(Fetch, w)
	e.Blob, e.Hospitals = s.Round.Candidate, s.toFetch(w)
	return one(e)
}

func (ev SendVerified) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	switch {
	case ev.Manifest != r.Manifest || ev.Candidate != r.Candidate || r.Candidate.IsZero() || r.Phase == Abandoned || r.Phase == Closed:
		return nil, fmt.Errorf("send of %s for candidate %s: %w", ev.Custodian, ev.Candidate.Short(), ErrStale)
	case !slices.Contains(s.clean(), ev.Custodian):
		return nil, fmt.Errorf("send of %s: it was not ready: %w", ev.Custodian, ErrNotCustodian)
	case !s.Stands():
		return nil, fmt.Errorf("send of %s before %d custodians are ready: %w", ev.Custodian, s.Charter.Threshold, ErrWrongPhase)
	}
	if have, ok := find(r.Sends, ev.Custodian); ok && have != ev.Blob {
		return nil, fmt.Errorf("send of %s: %w", ev.Custodian, ErrConflict)
	} else if ok || r.Phase == Done {
		return nil, nil
	}
	e := s.entry(Send, w)
	e.Hospital, e.Blob = ev.Custodian, ev.Blob
	return one(e)
}

func (ev BurnVerified) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	if ev.Manifest != r.Manifest || r.Phase != Opening || !s.Stands() {
		return nil, fmt.Errorf("burn of %s for manifest %s: %w", ev.Custodian, ev.Manifest.Short(), ErrStale)
	}
	if _, ok := s.Charter.Point(ev.Custodian); !ok {
		return nil, fmt.Errorf("burn of %s: %w", ev.Custodian, ErrNotCustodian)
	}
	if _, ok := find(r.Burns, ev.Custodian); ok {
		return nil, nil
	}
	e := s.entry(Burn, w)
	e.Hospital, e.Blob = ev.Custodian, ev.Blob
	return one(e)
}

// settled reports whether as many share sums are there as show that a group which does not
// hold never will: f of them may be wrong.
func (s State) settled(sends int) bool {
	return sends >= s.Charter.Settling()
}

func (ev SumOpened) decide(s State, w When) ([]Entry, error) {
	if ev.Round != s.Round.Number || s.Round.Phase != Publishing {
		return nil, fmt.Errorf("publish round %d: %w", ev.Round, ErrStale)
	}
	if len(ev.Groups) < Kept(s.Round.S) && !ev.Final && (ev.Sends < len(s.Round.Sends) || !s.settled(ev.Sends)) {
		return nil, nil // more share sums may help the group that is missing
	}
	e := s.entry(Publish, w)
	e.Blob, e.Groups, e.Hospitals, e.Custodians, e.Reason = ev.Result, ev.Groups, ev.Used, ev.Wrong, clip(ev.Note)
	if s.Round.Kind != federation.Evaluate {
		e.Version, e.Snapshot, e.Parameters, e.Sketch = s.Newest+1, ev.Snapshot, ev.Parameters, ev.Sketch
	} else if s.Schedule.Stop.On() {
		e.Metric = ev.Metric
	}
	return one(e)
}

func (ev OpeningFailed) decide(s State, w When) ([]Entry, error) {
	switch {
	case ev.Round != s.Round.Number || s.Round.Phase != Publishing:
		return nil, fmt.Errorf("open sum of round %d: %w", ev.Round, ErrStale)
	case !ev.Final && (ev.Sends < len(s.Round.Sends) || !s.settled(ev.Sends)):
		return nil, nil // more share sums may help
	}
	e := s.abandon(s.advise(ev.Reason, lack{}), w)
	e.Failed = true
	return one(e)
}

func (ev SumLost) decide(s State, w When) ([]Entry, error) {
	if ev.Round != s.Round.Number || !s.Round.Phase.Running() || s.Round.Phase == Gathering {
		return nil, fmt.Errorf("sum of round %d: %w", ev.Round, ErrStale)
	}
	return one(s.abandon(s.advise(ev.Reason, lack{}), w))
}

// DerivedVerified: what does not agree with the log is kept there too, as evidence.
func (ev DerivedVerified) decide(s State, w When) ([]Entry, error) {
	o := s.Outcome
	if ev.Manifest != o.Manifest || ev.Candidate != o.Candidate || ev.Round != o.Round || o.Round == 0 {
		return nil, fmt.Errorf("derivation of %s of round %d: %w", ev.Custodian, ev.Round, ErrStale)
	}
	if !slices.Contains(o.Owing, ev.Custodian) {
		if _, ok := find(slices.Concat(o.Derived, o.Disputed), ev.Custodian); ok {
			return nil, nil
		}
		return nil, fmt.Errorf("derivation of %s: %w", ev.Custodian, ErrNotCustodian)
	}
	e := entry(Derived, w)
	e.Round, e.Hospital, e.Blob, e.Manifest = o.Round, ev.Custodian, ev.Blob, ev.Manifest
	if !o.Agrees(ev.Derived) {
		e.Reason = fmt.Sprintf("it derived version %d as snapshot %s with result %s", ev.Version, ev.Snapshot, ev.Result)
	}
	return one(e)
}

// Agrees reports whether a custodian derived what the log says.
func (o Outcome) Agrees(d federation.Derived) bool {
	return d.Plan == o.Plan && d.Result == o.Result && d.Version == o.Version && d.Snapshot == o.Snapshot && d.Parameters == o.Parameters && d.Steps == o.Steps
}
