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
		invariantOpening, invariantAttempts, invariantExpired, invariantWithheld, invariantOpened} {
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
	case (s.Model.Number == 0) != s.Model.Snapshot.IsZero() || s.Model.Number > s.Newest || s.Newest > s.Round.Number:
		return fmt.Errorf("version %d with snapshot %s, the newest is %d", s.Model.Number, s.Model.Snapshot.Short(), s.Newest)
	case s.Model.Number == s.Newest && s.Numbered != nil:
		return fmt.Errorf("version %d is signed twice", s.Newest)
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
	case (r.S == nil) != r.Candidate.IsZero(), at(Publishing, Done) && !s.Stands():
		return fmt.Errorf("candidate %s while %s", r.Candidate.Short(), r.Phase)
	case at(Opening) && len(r.Sends) >= s.Charter.Threshold, at(Publishing, Done) && len(r.Sends) < s.Charter.Threshold:
		return fmt.Errorf("%d sends while %s", len(r.Sends), r.Phase)
	}
	return nil
}

func invariantJoins(s State) error {
	seen := map[federation.HospitalID]bool{}
	for _, j := range s.Round.Joined {
		if _, member := s.Charter.Member(j.Hospital); !member || seen[j.Hospital] || j.Blob.IsZero() {
			return fmt.Errorf("join of %s is strange or repeated", j.Hospital)
		}
		if latest, ok := s.LatestJoin(j.Hospital); !ok || latest.Blob != j.Blob || latest.Counter != j.Counter {
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
		if len(group) > 0 && !s.Charter.MaySum(g, len(group)) {
			return fmt.Errorf("S has %d hospitals in group %d", len(group), g)
		}
		if short := s.short(s.Round.S); short != nil {
			return fmt.Errorf("S has too few holders of columns %q", short)
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
	if r.S != nil && !s.enough(r.S) {
		return fmt.Errorf("candidate %s does not hold", r.Candidate.Short())
	}
	if len(r.Sends)+len(r.Burns) > 0 && !s.Stands() {
		return fmt.Errorf("share sums before %d custodians are ready", s.Charter.Threshold)
	}
	spoke := make([]federation.HospitalID, len(r.Readies))
	for i, a := range r.Readies {
		spoke[i] = a.Custodian
	}
	return errors.Join(within("ready", spoke, s.Custodians()), within("send", hospitals(r.Sends), s.clean()),
		within("burn", hospitals(r.Burns), s.Charter.Custodians), within("vouch", hospitals(r.Vouches), slices.Concat(r.S...)))
}

func hospitals(list []Held) []federation.HospitalID {
	ids := make([]federation.HospitalID, len(list))
	for i, h := range list {
		ids[i] = h.Hospital
	}
	return ids
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
	seen := map[federation.Digest]bool{}
	for _, a := range s.Attempts {
		switch {
		case a.Manifest.IsZero() || a.Failed != (a.S != nil) || a.Failed && a.Public:
			return fmt.Errorf("manifest %s with S %v is remembered", a.Manifest.Short(), a.S)
		case a.Past && (a.Failed || len(a.Burns) > 0):
			return fmt.Errorf("manifest %s of an earlier epoch", a.Manifest.Short())
		case seen[a.Manifest]:
			return fmt.Errorf("manifest %s is remembered twice", a.Manifest.Short())
		}
		seen[a.Manifest] = true
	}
	o := s.Outcome
	return errors.Join(within("derivation", slices.Concat(o.Owing, hospitals(o.Derived), hospitals(o.Disputed)), s.knownCustodians()))
}

// knownCustodians are those of the charter, or, after an epoch ended, whoever derived before.
func (s State) knownCustodians() []federation.HospitalID {
	return slices.Concat(s.Charter.Custodians, slices.DeleteFunc(slices.Concat(hospitals(s.Outcome.Derived), hospitals(s.Outcome.Disputed)),
		func(id federation.HospitalID) bool { return slices.Contains(s.Charter.Custodians, id) }))
}

// open reports whether share sums may exist for an attempt that t custodians were ready for.
func (s State) open(a *Attempt) bool { return a.Past || len(a.Burns) < s.Charter.BurnQuorum() }
