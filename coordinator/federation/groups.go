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
// group that fails costs only itself. Custodians, t and f stay; h, K, cohort and guard are
// the defaults of these groups.
func (c Charter) Grouped(groups [][]HospitalID) (Charter, error) {
	c.Groups = nil
	for _, group := range groups {
		group = slices.Clone(group)
		slices.SortFunc(group, compareIDs)
		if len(group) < 3 {
			return c, fmt.Errorf("%w: a group of %d hospitals, want at least 3", ErrCharter, len(group))
		}
		c.Groups = append(c.Groups, group)
	}
	c = c.With(Numbers{Threshold: c.Threshold, MaxHostile: c.MaxHostile})
	return c, c.Validate()
}
