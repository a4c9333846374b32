package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Terms is what the members of a charter sign: all of it but the statements that are
// gathered afterwards. Which of those the charter then names does not matter as long as
// CheckTransition holds. The charter of epoch 1 is its own terms.
func (c Charter) Terms() Charter {
	c.Closings = nil
	return c
}

// DecodeTerms reads the canonical bytes of the terms of an epoch after the first and
// validates them.
func DecodeTerms(b []byte) (Charter, error) {
	c, err := Decode[Charter](b, MaxCharterBytes)
	if err != nil {
		return Charter{}, err
	}
	if err := c.validate(); err != nil {
		return Charter{}, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	if c.Epoch < 2 || c.Digest() != c.Terms().Digest() {
		return Charter{}, fmt.Errorf("%w: epoch %d: not the terms of a next epoch", ErrCharter, c.Epoch)
	}
	return c, nil
}

// Consent is what one hospital hands over when a person there approved the terms of the
// next epoch.
type Consent struct {
	V         int              `json:"v"`     // 1
	Terms     Digest           `json:"terms"` // of the charter
	Signature Countersignature `json:"signature"`
	Closing   *Signed          `json:"closing,omitempty"` // of a custodian of the epoch that ends
}

// DecodeConsent reads canonical bytes; no signature is checked.
func DecodeConsent(b []byte) (Consent, error) {
	c, err := Decode[Consent](b, MaxConsentBytes)
	switch {
	case err != nil:
		return Consent{}, err
	case c.V != 1:
		return Consent{}, fmt.Errorf("consent of format %d: this program reads 1", c.V)
	}
	return c, nil
}

// Change is what the next charter has otherwise. Zero values keep, or follow from the
// roster: every member is a custodian up to 21, t and f are those of NewCharter, and so
// are h, K, cohort and guard, unless people had chosen them before: then they stay, K as
// near as the new groups allow.
type Change struct {
	Add        []Member
	Remove     []HospitalID
	Custodians []HospitalID
	Numbers
	Groups    int        // cuts the roster anew into that many; 0 keeps the groups
	LogKey    string     // verifier
	Retention *Retention // nil keeps it
}

// ErrChange wraps every refusal of a change.
var ErrChange = errors.New("change of the charter refused")

// Next returns the terms of the epoch after c.
func (c Charter) Next(ch Change) (Charter, error) {
	for _, id := range ch.Remove {
		if _, ok := c.Member(id); !ok {
			return Charter{}, fmt.Errorf("%w: %s is not a member", ErrChange, id)
		}
	}
	members := slices.DeleteFunc(slices.Clone(c.Members), func(m Member) bool { return slices.Contains(ch.Remove, m.ID) })
	members = append(members, ch.Add...)
	logKey := c.LogKey
	if ch.LogKey != "" {
		logKey = ch.LogKey
	}
	next, err := NewCharter(c.Federation, logKey, members, c.ShowNames)
	if err != nil {
		return Charter{}, fmt.Errorf("%w: %w", ErrChange, err)
	}
	next.Epoch, next.Previous, next.Retention = c.Epoch+1, c.Digest(), c.Retention
	if ch.Retention != nil {
		next.Retention = *ch.Retention
	}
	if len(ch.Custodians) > 0 {
		next.Custodians = slices.Clone(ch.Custodians)
	}
	next.Groups = c.regroup(next, ch)
	next = next.With(c.carried(next, ch.Numbers))
	if err := next.validate(); err != nil {
		return Charter{}, fmt.Errorf("%w: %w", ErrChange, err)
	}
	return next, nil
}

// carried adds to the numbers of a change what people had chosen for c.
func (c Charter) carried(next Charter, n Numbers) Numbers {
	was, s := c.chosen(), next.shape()
	if n.Cohort == "" {
		n.Cohort = was.Cohort
	}
	if n.Guard == nil && s.fill(n).Cohort != CohortAll {
		n.Guard = was.Guard
	}
	if was.MaxHostileMembers > 0 {
		choose(&n.MaxHostileMembers, max(1, min(was.MaxHostileMembers, s.smallest-2)))
	}
	if was.MinCohort > 0 {
		choose(&n.MinCohort, max(s.fill(n).MaxHostileMembers+2, min(was.MinCohort, s.smallest)))
	}
	return n
}

// regroup keeps the groups of those who stay and puts who is new into the smallest, or
// cuts the roster anew.
func (c Charter) regroup(next Charter, ch Change) [][]HospitalID {
	var groups [][]HospitalID
	if ch.Groups > 0 {
		return CutGroups(next.Roster(), ch.Groups)
	}
	for _, group := range c.Groups {
		kept := slices.DeleteFunc(slices.Clone(group), func(id HospitalID) bool { return slices.Contains(ch.Remove, id) })
		if len(kept) > 0 {
			groups = append(groups, kept)
		}
	}
	for _, m := range ch.Add {
		least := 0
		for g := range groups {
			if len(groups[g]) < len(groups[least]) {
				least = g
			}
		}
		groups[least] = append(groups[least], m.ID)
		slices.SortFunc(groups[least], compareIDs)
	}
	return groups
}

// Changes says in words, a line each, what the next charter has otherwise.
func (c Charter) Changes(next Charter) []string {
	lines := []string{fmt.Sprintf("epoch %d follows epoch %d of federation %s", next.Epoch, c.Epoch, c.Federation)}
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, id := range Added(c, next) {
		m, _ := next.Member(id)
		say("adds     %s, identity key %s", m.called(), m.Fingerprint())
	}
	for _, id := range Added(next, c) {
		m, _ := c.Member(id)
		say("removes  %s", m.called())
	}
	if len(Added(next, c)) > 0 {
		say("who is removed is not asked when those who stay release a question that was answered with it: its update and count then become known")
	}
	for _, m := range next.Members {
		if old, ok := c.Member(m.ID); ok && old.TLSKey != m.TLSKey {
			say("changes  the TLS key of %s", m.called())
		}
	}
	if slices.Equal(c.Custodians, next.Custodians) {
		say("custodians stay: %s", next.names(next.Custodians))
	} else {
		say("custodians: %s; before: %s", next.names(next.Custodians), c.names(c.Custodians))
	}
	say("must answer %d of %d custodians, at most %d hostile; before: %d of %d, %d",
		next.Threshold, len(next.Custodians), next.MaxHostile, c.Threshold, len(c.Custodians), c.MaxHostile)
	lines = append(lines, c.changedSums(next)...)
	if len(c.Groups) > 1 || len(next.Groups) > 1 {
		for g, group := range next.Groups {
			say("group %d: %s", g, next.names(group))
		}
	}
	if c.LogKey == next.LogKey {
		say("log key stays: %s", next.LogKey)
	} else {
		say("log key  %s replaces %s: what the old key signs from now on is worth nothing", next.LogKey, c.LogKey)
	}
	if c.Retention != next.Retention {
		say("ciphertexts of ended rounds are kept %s; before: %s", next.Retention, c.Retention)
	}
	return lines
}

// changedSums says whom a sum may be over, and what it gives away where that is weaker.
func (c Charter) changedSums(next Charter) []string {
	hides := ""
	if honest, before := next.MinCohort-next.MaxHostileMembers, c.MinCohort-c.MaxHostileMembers; honest < before {
		hides = fmt.Sprintf(": a sum hides an honest hospital among %d, before among %d", honest, before)
	}
	lines := []string{fmt.Sprintf("at least %d hospitals in a sum, at most %d of a group hostile; before: %d, %d%s",
		next.MinCohort, next.MaxHostileMembers, c.MinCohort, c.MaxHostileMembers, hides)}
	switch {
	case c.Cohort == next.Cohort:
		lines = append(lines, "cohort stays: "+next.CohortWord())
	case next.Cohort == CohortAll:
		lines = append(lines, fmt.Sprintf("cohort all: every member of a group is summed, or nobody; before: any %d", c.MinCohort))
	default:
		lines = append(lines, fmt.Sprintf("cohort k: any %d members of a group are summed; before: all, or nobody. From now on %s", next.MinCohort, missed))
	}
	if c.Cohort != CohortAll && next.Cohort != CohortAll && c.Guard != next.Guard {
		line := fmt.Sprintf("guard %g; before: %g", next.Guard, c.Guard)
		if next.Guard < c.Guard {
			line += ": sums on versions that are nearer to each other may be without one hospital"
		}
		lines = append(lines, line)
	}
	return lines
}

// called is how people know a member.
func (m Member) called() string {
	if m.Name == "" {
		return string(m.ID)
	}
	return fmt.Sprintf("%s (%s)", m.Name, m.ID)
}

func (c Charter) names(ids []HospitalID) string {
	var list []string
	for _, id := range ids {
		name := string(id)
		if m, ok := c.Member(id); ok && m.Name != "" {
			name = m.Name
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}
