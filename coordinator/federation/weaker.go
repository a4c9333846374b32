package federation

import "fmt"

// Warnings are what Validate allows and people should know before they approve a charter:
// a sentence for each choice that is weaker than the default, with what it gives away.
func (c Charter) Warnings() []string {
	var w []string
	say := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	m, s := len(c.Custodians), c.shape()
	if c.MaxHostile > m-c.Threshold {
		say("f = %d: so many hostile custodians can stop a round, of %d must answer %d", c.MaxHostile, m, c.Threshold)
	}
	if m == c.Threshold {
		say("every custodian must answer: the loss of one stops the round")
	}
	f := s.hostile(s.threshold())
	if c.MaxHostile < f {
		say("f = %d, by default %d: a centre with %d hostile custodians may open two sums of one question", c.MaxHostile, f, f)
	}
	if h := s.hostileMembers(max(f, c.MaxHostile)); c.MaxHostileMembers < h {
		say("h = %d, by default %d: %s", c.MaxHostileMembers, h, sees(c.MinCohort, h))
	}
	usual := s.minCohort(c.MaxHostileMembers)
	switch {
	case c.MinCohort == c.MaxHostileMembers+2 && c.MinCohort < usual:
		say("K = %d is h+2, by default %d: %s", c.MinCohort, usual, sees(c.MinCohort, c.MaxHostileMembers))
	case c.MinCohort == c.MaxHostileMembers+2:
		say("K = %d is h+2: %s", c.MinCohort, sees(c.MinCohort, c.MaxHostileMembers))
	case c.MinCohort < usual:
		say("K = %d, by default %d: %s", c.MinCohort, usual, sees(c.MinCohort, c.MaxHostileMembers))
	}
	if c.Cohort != CohortAll && s.largest <= smallGroup {
		say("cohort k, by default all in groups of %s: %s", word(s.largest), missed)
	}
	if c.Cohort != CohortAll && c.Guard < DefaultGuard {
		say("guard %g, by default %g: two sums on nearly the same version, one without a hospital, need not be far apart", c.Guard, DefaultGuard)
	}
	return w
}

// Summed says whom a sum is over.
func (c Charter) Summed() string {
	switch {
	case c.Cohort == CohortAll && len(c.Groups) > 1:
		return "all hospitals of a group"
	case c.Cohort == CohortAll:
		return fmt.Sprintf("all %d hospitals", len(c.Members))
	case len(c.Groups) > 1:
		return fmt.Sprintf("at least %d hospitals of a group", c.MinCohort)
	}
	return fmt.Sprintf("at least %d hospitals", c.MinCohort)
}

// missed is what any cohort but all gives away.
const missed = "whoever misses one round is the difference between two sums, which shows its update and its record count"

// sees says in words what hostile members of a sum learn with the centre's help.
func sees(sum, hostile int) string {
	hostile = min(hostile, sum-1)
	who := word(hostile) + " that work with the centre see"
	if hostile == 1 {
		who = "one that works with the centre sees"
	}
	what := fmt.Sprintf("the sum of the %s others", word(sum-hostile))
	if sum-hostile == 1 {
		what = "the update of the one that is left"
	}
	return fmt.Sprintf("with %s hospitals, %s %s", word(sum), who, what)
}

// word writes small numbers as words.
func word(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < 0 || n >= len(words) {
		return fmt.Sprint(n)
	}
	return words[n]
}
