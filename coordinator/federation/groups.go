package federation

import (
	"fmt"
	"slices"
)

// CutGroups cuts hospitals into n runs of nearly equal length, the longer ones first.
func CutGroups(hospitals []HospitalID, n int) [][]HospitalID {
	var out [][]HospitalID
	for ; n > 0; n-- {
		size := (len(hospitals) + n - 1) / n
		out, hospitals = append(out, slices.Clone(hospitals[:size])), hospitals[size:]
	}
	return out
}

// Grouped returns the charter with its roster in these groups, which are summed apart: a
// group that fails costs only itself. K becomes at most the size of the smallest group,
// and f at most K−2; the custodians and t stay.
func (c Charter) Grouped(groups [][]HospitalID) (Charter, error) {
	smallest := len(c.Members)
	c.Groups = nil
	for _, group := range groups {
		group = slices.Clone(group)
		slices.SortFunc(group, compareIDs)
		c.Groups = append(c.Groups, group)
		smallest = min(smallest, len(group))
	}
	c.MinCohort = min(c.MinCohort, smallest)
	c.MaxHostile = min(c.MaxHostile, c.MinCohort-2)
	if c.MinCohort < 3 {
		return c, fmt.Errorf("%w: a group of %d hospitals, want at least 3", ErrCharter, smallest)
	}
	return c, c.Validate()
}
