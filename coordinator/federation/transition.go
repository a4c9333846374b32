package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Transition is the passage from one epoch to the next with everything that the new
// charter names, each signature checked.
type Transition struct {
	Old, New Charter
	Closings []VerifiedClosing // in the order of New.Closings
}

// Refusals of a transition.
var (
	ErrTransition = errors.New("charter of the next epoch refused")
	ErrAdded      = errors.New("added hospital is not approved here")
)

// CheckTransition judges a transition and returns what every custodian of the new epoch
// remembers from its first moment. known lists the hospitals beyond the old roster that
// this hospital approved itself.
//
// At least m−t+f+1 custodians closed the old epoch. If t sends for one candidate exist or
// can still come, f+1 of those who send are among the closers, so an honest one is: the
// union of the statements names every sum that was or can be opened. A manifest that
// m−t+f+1 closers do not name is burned, exactly as by a burn certificate. What at most f
// statements name counts only with its proof, so hostile custodians cannot block a question
// that t custodians were never ready for; a statement without one is refused and not passed
// over, because an honest closer may be the only one that knows. What earlier epochs left
// is the same in every honest statement, so statements that differ in it are refused.
func CheckTransition(t Transition, known []HospitalID) ([]Answered, error) {
	if err := t.checkCharters(known); err != nil {
		return nil, fmt.Errorf("epoch %d: %w: %w", t.New.Epoch, ErrTransition, err)
	}
	if err := t.checkClosings(); err != nil {
		return nil, fmt.Errorf("epoch %d: %w: %w", t.New.Epoch, ErrTransition, err)
	}
	return t.inherit(), nil
}

func (t Transition) checkCharters(known []HospitalID) error {
	if err := errors.Join(t.Old.Validate(), t.New.Validate()); err != nil {
		return err
	}
	switch {
	case t.New.Federation != t.Old.Federation:
		return fmt.Errorf("federation %s after %s", t.New.Federation, t.Old.Federation)
	case t.New.Epoch != t.Old.Epoch+1:
		return fmt.Errorf("epoch %d after epoch %d", t.New.Epoch, t.Old.Epoch)
	case t.New.Previous != t.Old.Digest():
		return fmt.Errorf("it follows charter %s, not %s", t.New.Previous.Short(), t.Old.Digest().Short())
	case logName(t.New.LogKey) != logName(t.Old.LogKey):
		return fmt.Errorf("log %q after log %q", logName(t.New.LogKey), logName(t.Old.LogKey))
	}
	for _, id := range Added(t.Old, t.New) {
		if !slices.Contains(known, id) {
			return fmt.Errorf("%w: %s", ErrAdded, id)
		}
	}
	return nil
}

// logName is the part of a verifier key that names the log.
func logName(verifier string) string {
	name, _, _ := strings.Cut(verifier, "+")
	return name
}

// Added lists the members that a charter has and the one before it has not.
func Added(before, after Charter) []HospitalID {
	var list []HospitalID
	for _, m := range after.Members {
		if _, ok := before.Member(m.ID); !ok {
			list = append(list, m.ID)
		}
	}
	return list
}

func (t Transition) checkClosings() error {
	if len(t.Closings) != len(t.New.Closings) {
		return fmt.Errorf("%d closing statements, the charter names %d", len(t.Closings), len(t.New.Closings))
	}
	closed := map[HospitalID]bool{}
	for i, c := range t.Closings {
		if c.Blob != t.New.Closings[i] {
			return fmt.Errorf("closing statement %d of %s is not the one that the charter names", i, c.Custodian)
		}
		if err := CheckClosing(t.Old, c.Closing); err != nil {
			return err
		}
		if closed[c.Custodian] {
			return fmt.Errorf("%w: %s closed twice", ErrClosing, c.Custodian)
		}
		closed[c.Custodian] = true
	}
	if len(closed) < t.Old.BurnQuorum() {
		return fmt.Errorf("%d custodians closed epoch %d: %d must", len(closed), t.Old.Epoch, t.Old.BurnQuorum())
	}
	return t.checkShown()
}

// checkShown: each answer that a statement names is shown by its proof, or named by f+1.
func (t Transition) checkShown() error {
	naming := map[Digest]int{}
	name := func(a Answered) Digest { return Sum(Encode(a.bare())) }
	for i, c := range t.Closings {
		if err := CheckProofs(t.Old, c); err != nil {
			return err
		}
		if before := t.Closings[0]; !slices.EqualFunc(c.Before, before.Before, func(a, b Answered) bool { return CompareAnswered(a, b) == 0 }) {
			return fmt.Errorf("%w: of %s and %s: they differ in what earlier epochs left", ErrClosing, before.Custodian, c.Custodian)
		}
		seen := map[Digest]bool{}
		for _, a := range t.Closings[i].Answered {
			if d := name(a); !seen[d] {
				naming[d]++
				seen[d] = true
			}
		}
	}
	for _, c := range t.Closings {
		for i, a := range c.Answered {
			if c.Proofs[i] == nil && naming[name(a)] <= t.Old.MaxHostile {
				return fmt.Errorf("%w: of %s: it names manifest %s without a proof, and so do too few others", ErrClosing, c.Custodian, a.Manifest.Short())
			}
		}
	}
	return nil
}

// inherit is what earlier epochs left and the union of all statements but for manifests
// that they burn.
func (t Transition) inherit() []Answered {
	listing := map[Digest]int{}
	for _, c := range t.Closings {
		seen := map[Digest]bool{}
		for _, a := range c.Answered {
			if !seen[a.Manifest] {
				listing[a.Manifest]++
			}
			seen[a.Manifest] = true
		}
	}
	var union []Answered
	if len(t.Closings) > 0 {
		union = slices.Clone(t.Closings[0].Before) // the same in all
	}
	for _, c := range t.Closings {
		for _, a := range c.Answered {
			if len(t.Closings)-listing[a.Manifest] < t.Old.BurnQuorum() {
				union = append(union, a.bare())
			}
		}
	}
	slices.SortFunc(union, CompareAnswered)
	return slices.CompactFunc(union, func(a, b Answered) bool { return CompareAnswered(a, b) == 0 })
}
