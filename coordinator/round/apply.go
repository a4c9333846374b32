package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// appliers has one function an entry kind; each returns the new state and leaves the
// old one as it was. They check only what makes an entry meaningless; whether it was
// wise to write it was Decide's business.
// It is filled by init because DecodeEntry reads it too.
var appliers map[EntryKind]func(State, Entry) (State, error)

func init() {
	appliers = map[EntryKind]func(State, Entry) (State, error){
		Genesis: applyGenesis, Lead: applyLead, PlanSet: applyPlan,
		Open: applyOpen, Join: applyJoin, Collect: applyCollect, Update: applyUpdate, Discard: applyDiscard,
		Declined: applyDecline, Refuse: applyRefuse, Candidate: applyCandidate, Ready: applyReady, Vouched: applyVouch, Fetch: applyFetch,
		Send: applySend, Burn: applyBurn, Derived: applyDerived, Publish: applyPublish, Abandon: applyAbandon, Finish: applyFinish,
		CharterSet: applyCharter, Expire: applyExpire,
		Stated: func(s State, _ Entry) (State, error) { return s, nil }, // Memo.Apply checks it
	}
}

// Apply returns the state after a committed entry. An error means that the log is not
// one that this machine wrote; the state is then unchanged.
func Apply(s State, e Entry) (State, error) {
	apply, ok := appliers[e.Kind]
	if !ok {
		return s, fmt.Errorf("%w: unknown kind %q", ErrEntry, e.Kind)
	}
	if !s.Genesis && e.Kind != Genesis {
		return s, fmt.Errorf("%w: %s before genesis", ErrEntry, e.Kind)
	}
	next, err := apply(s, e)
	if err != nil {
		return s, fmt.Errorf("%w: %s: %w", ErrEntry, e.Kind, err)
	}
	return next, nil
}

func applyGenesis(s State, e Entry) (State, error) {
	if s.Genesis || e.Blob != s.Charter.Digest() {
		return s, fmt.Errorf("charter %s", e.Blob.Short())
	}
	s.Genesis = true
	return s, nil
}

func applyLead(s State, e Entry) (State, error) {
	if e.Epoch != s.Epoch+1 {
		return s, fmt.Errorf("epoch %d after %d", e.Epoch, s.Epoch)
	}
	s.Epoch = e.Epoch
	return s, nil
}

func applyPlan(s State, e Entry) (State, error) {
	if e.Schedule == nil || s.Round.Phase.Running() {
		return s, fmt.Errorf("no schedule, or round %d is running", s.Round.Number)
	}
	if err := e.Origin.fits(s); err != nil {
		return s, err
	}
	s.Plan, s.Schedule, s.Rule = e.Blob, *e.Schedule, e.Rule
	s.Trained, s.Evaluated, s.Converged, s.Finished, s.Month = 0, 0, false, "", ""
	s.Scored, s.Took, s.Withheld, s.Short = Scored{}, nil, nil, nil
	return s.from(e.Origin), nil
}

func applyOpen(s State, e Entry) (State, error) {
	if !Legal(s.Round.Phase, Gathering) || e.Round != s.Round.Number+1 {
		return s, fmt.Errorf("round %d after round %d, which is %s", e.Round, s.Round.Number, s.Round.Phase)
	}
	if e.Seconds < 0 || e.Seconds > federation.MaxDeadlineSecond {
		return s, fmt.Errorf("round %d gives updates %d seconds", e.Round, e.Seconds)
	}
	if month, _ := s.NextMonth(); e.Part != "" && (e.Part != month || e.RoundKind != federation.Evaluate) {
		return s, fmt.Errorf("round %d evaluates month %q, not %q", e.Round, e.Part, month)
	}
	s.Round = Round{Number: e.Round, Kind: e.RoundKind, Phase: Gathering, Header: e.Blob, Part: s.Schedule.Months.Part(e.Part),
		Questions: e.Questions, Opened: e.Time, Deadline: e.Deadline, Seconds: e.Seconds}
	if e.RoundKind == federation.Evaluate {
		s.Round.Asks = s.Round.Part.Evaluation(s.Model.Parameters)
	}
	return s, nil
}

// current checks that the entry is of the round under way, in one of the phases.
func current(s State, e Entry, phases ...Phase) error {
	if e.Round != s.Round.Number || !slices.Contains(phases, s.Round.Phase) {
		return fmt.Errorf("round %d: round %d is %s", e.Round, s.Round.Number, s.Round.Phase)
	}
	return nil
}

func applyJoin(s State, e Entry) (State, error) {
	if err := current(s, e, Gathering); err != nil {
		return s, err
	}
	if !e.Lacks.Valid() {
		return s, fmt.Errorf("%s lacks columns %q", e.Hospital, string(e.Lacks))
	}
	if err := federation.CheckReleases(e.Releases); err != nil {
		return s, fmt.Errorf("join of %s: %w", e.Hospital, err)
	}
	known, _ := s.Round.Join(e.Hospital)
	j := Joined{e.Hospital, e.Blob, e.Instance, e.Counter, known.Times + 1, e.Capability, e.Lacks, e.Releases}
	s.Round.Joined = slices.DeleteFunc(slices.Clone(s.Round.Joined), func(j Joined) bool { return j.Hospital == e.Hospital })
	s.Round.Joined = append(s.Round.Joined, j)
	if s.Latest == nil {
		s.Latest = make([]Joined, len(s.Charter.Members))
	}
	s.Latest = slices.Clone(s.Latest)
	for i, m := range s.Charter.Members {
		if m.ID == e.Hospital {
			s.Latest[i] = j
		}
	}
	s.Round.Declined = slices.DeleteFunc(slices.Clone(s.Round.Declined), func(r Refusal) bool { return r.Hospital == e.Hospital })
	s.Round.Declines = without(s.Round.Declines, e.Hospital)
	return s, nil
}

func applyCollect(s State, e Entry) (State, error) {
	if err := current(s, e, Gathering); err != nil {
		return s, err
	}
	g := gathered(s)
	if g.waiting != "" || (g.pin != nil) != e.Pinned {
		return s, fmt.Errorf("round %d is not ready to collect: %s", e.Round, g.waiting)
	}
	s.Round.Phase, s.Round.Manifest, s.Round.Deadline = Collecting, e.Blob, e.Deadline
	s.Round.Pinned, s.Round.Cohort, s.Round.PinnedTo, s.Round.Masked = g.pin, g.cohort, g.pinnedTo, g.masked
	if s.Round.Seconds > 0 {
		s.Round.Collected = e.Time
	}
	return s, nil
}

func applyUpdate(s State, e Entry) (State, error) {
	if err := current(s, e, Collecting); err != nil {
		return s, err
	}
	if _, ok := s.Round.Update(e.Hospital); ok || !s.Round.InCohort(e.Hospital) {
		return s, fmt.Errorf("%s is not in the cohort or has submitted", e.Hospital)
	}
	s.Round.Updates = append(slices.Clone(s.Round.Updates), Held{e.Hospital, e.Blob})
	return s.tookUpdate(e).gives(e.Hospital), nil
}

func applyDiscard(s State, e Entry) (State, error) {
	if err := current(s, e, Opening, Publishing, Done); err != nil {
		return s, err
	}
	s.Round.Discarded = append(slices.Clone(s.Round.Discarded), Held{e.Hospital, e.Blob})
	return s, nil
}

func applyDecline(s State, e Entry) (State, error) {
	if err := current(s, e, Gathering, Collecting, Opening, Publishing); err != nil {
		return s, err
	}
	s.Round.Declined = append(slices.Clone(s.Round.Declined), Refusal{e.Hospital, e.Role, e.Reason})
	if s.Round.Phase == Gathering && e.Role == federation.RoleUpdate && s.draw().On() {
		s.Round.Declines = append(slices.Clone(s.Round.Declines), Held{e.Hospital, e.Blob})
	}
	return s.withhold(e), nil
}

// without returns the list without what is of id; nil where nothing is left.
func without(list []Held, id federation.HospitalID) []Held {
	if _, ok := find(list, id); !ok {
		return list
	}
	list = slices.DeleteFunc(slices.Clone(list), func(h Held) bool { return h.Hospital == id })
	if len(list) == 0 {
		return nil
	}
	return list
}

func applyRefuse(s State, e Entry) (State, error) {
	if err := current(s, e, Collecting, Opening, Publishing); err != nil {
		return s, err
	}
	s.Round.Refused = append(slices.Clone(s.Round.Refused), Refusal{Hospital: e.Hospital, Role: e.Role})
	return s, nil
}

func applyFinish(s State, e Entry) (State, error) {
	if s.Round.Phase.Running() || e.Reason == "" {
		return s, fmt.Errorf("round %d is %s", s.Round.Number, s.Round.Phase)
	}
	s.Finished = e.Reason
	return s, nil
}
