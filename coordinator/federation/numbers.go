package federation

import "slices"

// Numbers are what people choose about a charter beside its roster. A zero value stands
// for the default of design §4, which follows from roster, custodians and groups:
//
//	t  ⌊2m/3⌋+1
//	f  min(⌊(m−1)/3⌋, m−t), at least 1
//	h  max(f, ⌈largest group/10⌉), at most two less than the smallest group
//	K  h+3, at least 5 in groups of eight or more, at most the smallest group
//
// and everyone is summed, or nobody, in groups of at most five.
type Numbers struct {
	Threshold         int      // t
	MaxHostile        int      // f
	MaxHostileMembers int      // h
	MinCohort         int      // K
	Cohort            string   // CohortAll or CohortAny
	Guard             *float64 // where the cohort is not all; nil: DefaultGuard
}

// Whom a sum is over.
const (
	CohortAll = "all" // every member of its group
	CohortAny = "k"   // any K of them or more; a charter leaves it out
)

const (
	// DefaultGuard is the least distance, relative to the norm, between two bases at which
	// sums of one kind may be over nearly the same hospitals.
	DefaultGuard = .001

	defaultCustodians = 21
	smallGroup        = 5 // hospitals up to which everyone is summed by default
	largeGroup        = 8 // from which on K is leastOfLarge at least
	leastOfLarge      = 5
)

// shape is what the defaults follow from.
type shape struct{ custodians, largest, smallest int }

func (c Charter) shape() shape {
	s := shape{len(c.Custodians), c.LargestGroup(), len(c.Members)}
	for _, g := range c.Groups {
		s.smallest = min(s.smallest, len(g))
	}
	return s
}

func (s shape) threshold() int { return min(2*s.custodians/3+1, s.custodians) }

func (s shape) hostile(threshold int) int {
	return max(1, min((s.custodians-1)/3, s.custodians-threshold))
}

// hostileMembers is h in groups that are large enough for it.
func (s shape) hostileMembers(hostile int) int { return max(hostile, (s.largest+9)/10) }

func (s shape) minCohort(hostileMembers int) int {
	k := hostileMembers + 3
	if s.largest >= largeGroup {
		k = max(k, leastOfLarge)
	}
	return max(min(k, s.smallest), hostileMembers+2)
}

// fill puts the defaults where nothing was chosen.
func (s shape) fill(n Numbers) Numbers {
	choose(&n.Threshold, s.threshold())
	choose(&n.MaxHostile, s.hostile(n.Threshold))
	choose(&n.MaxHostileMembers, max(1, min(s.hostileMembers(n.MaxHostile), s.smallest-2)))
	choose(&n.MinCohort, s.minCohort(n.MaxHostileMembers))
	if n.Cohort == "" && s.largest <= smallGroup {
		n.Cohort = CohortAll
	} else if n.Cohort == CohortAny {
		n.Cohort = ""
	}
	if n.Guard == nil {
		guard := DefaultGuard
		if n.Cohort == CohortAll {
			guard = 0
		}
		n.Guard = &guard
	}
	return n
}

func choose(number *int, otherwise int) {
	if *number == 0 {
		*number = otherwise
	}
}

// With returns the charter with these numbers, which Validate judges.
func (c Charter) With(n Numbers) Charter {
	n = c.shape().fill(n)
	c.Threshold, c.MaxHostile, c.MaxHostileMembers, c.MinCohort = n.Threshold, n.MaxHostile, n.MaxHostileMembers, n.MinCohort
	c.Cohort, c.Guard = n.Cohort, *n.Guard
	return c
}

// chosen are the numbers of a charter that do not follow from its roster, but for those
// that belong to its custodians.
func (c Charter) chosen() Numbers {
	var n Numbers
	d := c.With(Numbers{Threshold: c.Threshold, MaxHostile: c.MaxHostile})
	if c.MaxHostileMembers != d.MaxHostileMembers {
		n.MaxHostileMembers = c.MaxHostileMembers
	}
	if c.MinCohort != c.With(Numbers{MaxHostileMembers: c.MaxHostileMembers}).MinCohort {
		n.MinCohort = c.MinCohort
	}
	if c.Cohort != d.Cohort {
		n.Cohort = c.CohortWord()
	}
	if c.Cohort != CohortAll && c.Guard != DefaultGuard {
		guard := c.Guard
		n.Guard = &guard
	}
	return n
}

// CohortWord is the cohort as people write it: all, or k.
func (c Charter) CohortWord() string {
	if c.Cohort == "" {
		return CohortAny
	}
	return c.Cohort
}

// MaySum reports whether a sum may be over so many members of a group.
func (c Charter) MaySum(group, members int) bool {
	return members >= c.MinCohort && (c.Cohort != CohortAll || members == len(c.Groups[group]))
}

// Tolerant are the numbers with which rounds go on without as many hospitals as can be
// missed, each at the price that Warnings says: for demonstrations, and tests of crashes.
func Tolerant(hospitals, groups int) Numbers {
	groups = max(1, groups)
	n := shape{min(hospitals, defaultCustodians), (hospitals + groups - 1) / groups, hospitals / groups}.fill(Numbers{Cohort: CohortAny})
	return Numbers{MinCohort: n.MaxHostileMembers + 2, Cohort: CohortAny}
}

// DefaultGroups is in how many groups a roster is summed unless people say otherwise: two
// from 3K members on, so that a group that fails costs only itself. minCohort is K where
// it was chosen; a smaller one than the default makes no more groups.
func DefaultGroups(hospitals, minCohort int) int {
	n := shape{min(hospitals, defaultCustodians), hospitals, hospitals}.fill(Numbers{})
	if hospitals >= 3*max(minCohort, n.MinCohort) {
		return 2
	}
	return 1
}

// Roster lists the members in the order of their pseudonyms.
func (c Charter) Roster() []HospitalID {
	ids := make([]HospitalID, len(c.Members))
	for i, m := range c.Members {
		ids[i] = m.ID
	}
	slices.Sort(ids)
	return ids
}
