package round

import (
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// ErrInvariant: the state contradicts itself.
var ErrInvariant = errors.New("state contradicts itself")

// Invariants reports what in a state cannot be, whatever was committed. The tests call
// it after every Apply; an auditor may call it while it replays.
func Invariants(s State) error {
	for _, check := range []func(State) error{invariantPlan, invariantScored, invariantDeadline, invariantPhase, invariantJoins, invariantUpdates,
		invariantOpening, invariantAttempts, invariantExpired} {
		if err := check(s); err != nil {
			return fmt.Errorf("%w: round %d: %w", ErrInvariant, s.Round.Number, err)
		}
	}
	return nil
}

func invariantPlan(s State) error {
	switch {
	case !s.Genesis && (s.Round.Number > 0 || !s.Plan.IsZero() || s.Epoch > 0):
		return errors.New("something happened before genesis")
	case s.Trained < 0 || s.Trained > s.Schedule.Rounds || s.Evaluated < 0 || s.Evaluated > s.Trained || s.Failures < 0:
		return fmt.Errorf("%d trained of %d, %d evaluated, %d failures", s.Trained, s.Schedule.Rounds, s.Evaluated, s.Failures)
	case (s.Model.Number == 0) != s.Model.Snapshot.IsZero() || s.Model.Number > s.Round.Number:
		return fmt.Errorf("version %d with snapshot %s", s.Model.Number, s.Model.Snapshot.Short())
	case s.Finished != "" && s.Round.Phase.Running():
		return errors.New("the plan is finished while a round runs")
	case s.Failures == 0 && s.NotBefore != "":
		return errors.New("a delay without a failure")
	}
	return nil
}

func invariantPhase(s State) error {
	r := s.Round
	_, badDeadline := federation.ParseTime(r.Deadline)
	at := func(phases ...Phase) bool { return slices.Contains(phases, r.Phase) }
	switch {
	case (r.Number == 0) != (r.Phase == None) || (r.Number == 0) != r.Header.IsZero():
		return fmt.Errorf("phase %q with header %s", r.Phase, r.Header.Short())
	case at(None):
		return nil
	case r.Phase.Running() != (badDeadline == nil):
		return fmt.Errorf("deadline %q while %s", r.Deadline, r.Phase)
	case (r.Phase == Abandoned) != (r.Reason != "") && !at(Closed):
		return fmt.Errorf("reason %q while %s", r.Reason, r.Phase)
	case at(Gathering) && !r.Manifest.IsZero(), at(Collecting, Opening, Publishing, Done) && r.Manifest.IsZero():
		return fmt.Errorf("manifest %s while %s", r.Manifest.Short(), r.Phase)
	case at(Gathering, Collecting) && !r.Candidate.IsZero(), at(Opening, Publishing, Done) && r.Candidate.IsZero():
		return fmt.Errorf("candidate %s while %s", r.Candidate.Short(), r.Phase)
	case !r.Selected.IsZero() && r.Candidate.IsZero(), at(Publishing, Done) && r.Selected.IsZero():
		return fmt.Errorf("S %s while %s", r.Selected.Short(), r.Phase)
	case at(Opening) && len(r.Answers) >= s.Charter.Threshold, at(Publishing, Done) && len(r.Answers) < s.Charter.Threshold:
		return fmt.Errorf("%d answers while %s", len(r.Answers), r.Phase)
	}
	return nil
}

func invariantJoins(s State) error {
	seen := map[federation.HospitalID]bool{}
	for _, j := range s.Round.Joined {
		if _, member := s.Charter.Member(j.Hospital); !member || seen[j.Hospital] || j.Blob.IsZero() {
			return fmt.Errorf("join of %s is strange or repeated", j.Hospital)
		}
		if latest, ok := s.LatestJoin(j.Hospital); !ok || latest != j {
			return fmt.Errorf("join %d of %s is not its latest", j.Counter, j.Hospital)
		}
		seen[j.Hospital] = true
	}
	declined := map[Refusal]bool{}
	for _, d := range s.Round.Declined {
		if declined[d] {
			return fmt.Errorf("%s declined %s twice", d.Hospital, d.Role)
		}
		declined[d] = true
	}
	refused := map[Refusal]bool{}
	for _, r := range s.Round.Refused {
		if refused[r] {
			return fmt.Errorf("something of %s as %s was refused twice", r.Hospital, r.Role)
		}
		refused[r] = true
	}
	for g, group := range s.Round.Cohort {
		for _, id := range group {
			if !seen[id] || s.Charter.GroupOf(id) != g {
				return fmt.Errorf("%s of the cohort did not join or belongs to another group", id)
			}
		}
	}
	if s.Round.Pinned != nil && !slices.EqualFunc(s.Round.Pinned, s.Round.Cohort, slices.Equal) {
		return errors.New("the cohort is not the pinned S")
	}
	return nil
}

func invariantUpdates(s State) error {
	seen := map[federation.HospitalID]bool{}
	for _, list := range [][]Held{s.Round.Updates, s.Round.Discarded} {
		for _, u := range list {
			if seen[u.Hospital] || !s.Round.InCohort(u.Hospital) || u.Blob.IsZero() {
				return fmt.Errorf("update of %s is repeated or outside the cohort", u.Hospital)
			}
			seen[u.Hospital] = true
		}
	}
	for g, group := range s.Round.S {
		if len(group) > 0 && len(group) < s.Charter.MinCohort {
			return fmt.Errorf("S has %d hospitals in group %d", len(group), g)
		}
		for _, id := range group {
			if _, ok := s.Round.Update(id); !ok || !slices.Contains(s.Round.Cohort[g], id) {
				return fmt.Errorf("S has %s without an update", id)
			}
		}
	}
	return nil
}

func invariantOpening(s State) error {
	r := s.Round
	if (r.S == nil) != r.Selected.IsZero() || (r.S != nil && !s.enough(r.S)) {
		return fmt.Errorf("S %s does not hold", r.Selected.Short())
	}
	if r.S != nil && len(r.Able) < s.Charter.Threshold {
		return fmt.Errorf("%d custodians can open S", len(r.Able))
	}
	acks := make([]federation.HospitalID, len(r.Acks))
	for i, a := range r.Acks {
		acks[i] = a.Custodian
	}
	answers := make([]federation.HospitalID, len(r.Answers))
	for i, a := range r.Answers {
		answers[i] = a.Hospital
	}
	return errors.Join(within("acknowledgement", acks, s.Custodians()), within("able", r.Able, acks), within("answer", answers, r.Able))
}

// within reports an element of list that is repeated or not in all.
func within(what string, list, all []federation.HospitalID) error {
	for i, id := range list {
		if !slices.Contains(all, id) || slices.Contains(list[:i], id) {
			return fmt.Errorf("%s of %s is repeated or out of place", what, id)
		}
	}
	return nil
}

func invariantAttempts(s State) error {
	for i, a := range s.Attempts {
		now := a.Manifest == s.Round.Manifest
		custodians := make([]federation.HospitalID, len(a.Burns))
		for j, b := range a.Burns {
			custodians[j] = b.Hospital
		}
		err := errors.Join(within("burn", custodians, s.Charter.Custodians), within("answer", a.Answered, s.Charter.Custodians))
		switch {
		case err != nil:
			return fmt.Errorf("manifest %s: %w", a.Manifest.Short(), err)
		case a.Past && (!a.Abandoned || len(a.Burns) > 0 || len(a.Answered) > 0 || now):
			return fmt.Errorf("manifest %s of an earlier epoch", a.Manifest.Short())
		case now && a.Abandoned != (s.Round.Phase == Abandoned), len(a.Burns) > 0 && !a.Abandoned:
			return fmt.Errorf("manifest %s is abandoned, or is not", a.Manifest.Short())
		case a.S == nil && !(now && s.Round.Phase.Running()):
			return fmt.Errorf("manifest %s without S is remembered", a.Manifest.Short())
		}
		for _, b := range s.Attempts[:i] {
			if b.Manifest == a.Manifest {
				return fmt.Errorf("manifest %s is remembered twice", a.Manifest.Short())
			}
			if s.open(a) && s.open(b) && a.sameQuestion(Round{Kind: b.Kind, Questions: b.Questions}) && !slices.EqualFunc(a.S, b.S, slices.Equal) {
				return fmt.Errorf("manifests %s and %s may be answered for different S", b.Manifest.Short(), a.Manifest.Short())
			}
		}
	}
	return nil
}

// open reports whether t answers may exist for the attempt.
func (s State) open(a Attempt) bool {
	return a.S != nil && (a.Past || len(a.Burns) < s.Charter.BurnQuorum())
}
