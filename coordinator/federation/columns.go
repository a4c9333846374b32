package federation

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Columns is a set of features of a plan, by their places in it: the hexadecimal digits of a
// bit mask, column 0 in the lowest bit of the first byte, without zero bytes at its end. The
// empty text is none of them.
type Columns string

// ColumnsOf returns the set of these places; one outside of what a plan may have is left out.
func ColumnsOf(places ...int) Columns {
	var mask [MaxFeatures / 8]byte
	for _, i := range places {
		if i >= 0 && i < MaxFeatures {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	return Columns(hex.EncodeToString(bytes.TrimRight(mask[:], "\x00")))
}

// Valid reports whether c is the one text of its set, of places that a plan may have.
func (c Columns) Valid() bool {
	return len(c) <= MaxFeatures/4 && c == ColumnsOf(c.List()...)
}

// List returns the places, ascending; of a text that is not Valid, what can be read of it.
func (c Columns) List() []int {
	var list []int
	mask, _ := hex.DecodeString(string(c[:min(len(c), MaxFeatures/4)]))
	for i, b := range mask {
		for bit := range 8 {
			if b&(1<<bit) != 0 {
				list = append(list, 8*i+bit)
			}
		}
	}
	return list
}

// Has reports whether a place is in the set.
func (c Columns) Has(place int) bool { return slices.Contains(c.List(), place) }

// Or returns what is in either set.
func (c Columns) Or(o Columns) Columns {
	switch {
	case c == "":
		return o
	case o == "":
		return c
	}
	return ColumnsOf(append(c.List(), o.List()...)...)
}

// But returns what is in c and not in o.
func (c Columns) But(o Columns) Columns {
	if c == "" || o == "" {
		return c
	}
	without := o.List()
	return ColumnsOf(slices.DeleteFunc(c.List(), func(i int) bool { return slices.Contains(without, i) })...)
}

// And returns what is in both sets.
func (c Columns) And(o Columns) Columns { return c.But(c.But(o)) }

// ColumnCount is how many columns a plan has that a hospital may lack: none, where its records
// are arrays.
func (p Plan) ColumnCount() int {
	if p.Arrays() {
		return 0
	}
	return len(p.Features)
}

// ColumnNames names columns of the plan.
func (p Plan) ColumnNames(c Columns) []string {
	var names []string
	for _, i := range c.List() {
		if i < p.ColumnCount() {
			names = append(names, p.Features[i].Name)
		}
	}
	return names
}

// MaskWords names what is masked, by group where there are several.
func (p Plan) MaskWords(masks []Columns) []string {
	if len(masks) == 1 {
		return p.ColumnNames(masks[0])
	}
	var words []string
	for g, mask := range masks {
		if names := p.ColumnNames(mask); len(names) > 0 {
			words = append(words, fmt.Sprintf("group %d: %s", g, strings.Join(names, ", ")))
		}
	}
	return words
}

// CheckLacks reports whether a hospital may say in its Join that it lacks these columns.
func (p Plan) CheckLacks(c Columns) error {
	list := c.List()
	if !c.Valid() || len(list) > 0 && list[len(list)-1] >= p.ColumnCount() {
		return fmt.Errorf("%w: columns %q of a plan with %d", ErrMessage, string(c), p.ColumnCount())
	}
	return nil
}

// A column is the mean, deviation and count of those who have it, and in training what they
// know of it. A sum is of at least K hospitals, but of a column that fewer than K of them have
// it is a sum of these few. Each group's sum is opened by itself, so it is judged by itself:
// with fewer than K holders the column is masked in that group, which treats it as if nobody
// there had measured it, in the same layout.

// Short returns the columns that fewer than k hospitals of a group hold, of those that
// somebody there lacks; the others are held by all.
func Short(group []HospitalID, lacks func(HospitalID) Columns, k int) Columns {
	var without map[int]int
	for _, id := range group {
		for _, i := range lacks(id).List() {
			if without == nil {
				without = map[int]int{}
			}
			without[i]++
		}
	}
	var short []int
	for i, n := range without {
		if len(group)-n < k {
			short = append(short, i)
		}
	}
	return ColumnsOf(short...)
}

// Lacked returns the columns that somebody of a group lacks.
func Lacked(group []HospitalID, lacks func(HospitalID) Columns) Columns {
	var all []int
	for _, id := range group {
		all = append(all, lacks(id).List()...)
	}
	return ColumnsOf(all...)
}

// Masks returns by group what its cohort has to mask; nil where no group has to mask anything.
// Before are columns that are masked too where somebody of the group lacks them, by group, or
// nil: one that all of them have has as many holders as are summed.
func (c Charter) Masks(cohort [][]HospitalID, lacks func(HospitalID) Columns, before []Columns) []Columns {
	masks, any := make([]Columns, len(cohort)), false
	for g, group := range cohort {
		masks[g] = Short(group, lacks, c.MinCohort)
		if g < len(before) {
			masks[g] = masks[g].Or(before[g].And(Lacked(group, lacks)))
		}
		any = any || masks[g] != ""
	}
	if !any {
		return nil
	}
	return masks
}

// MaskOf returns the columns that a group masks.
func MaskOf(masks []Columns, group int) Columns {
	if group < 0 || group >= len(masks) {
		return ""
	}
	return masks[group]
}

// Lacks returns what a hospital said in its Join that it has too little of.
func (m VerifiedManifest) Lacks(id HospitalID) Columns {
	i, ok := slices.BinarySearchFunc(m.Joins, id, func(j VerifiedJoin, id HospitalID) int { return compareIDs(j.Hospital, id) })
	if !ok {
		return ""
	}
	return m.Joins[i].Lacks
}

// checkMasks: every column that fewer than K of a group's cohort hold is masked there, and none
// that all of them hold. Between these the coordinator's word counts, which the log shows and
// auditors compare: a column fell short when hospitals did not answer. Whom it did not hear only it
// can say; that somebody lacks the column each hospital said in its Join.
func checkMasks(c Charter, m VerifiedManifest) error {
	if len(m.Masked) != 0 && len(m.Masked) != len(m.Groups) {
		return fmt.Errorf("it masks columns in %d groups: the charter has %d", len(m.Masked), len(m.Groups))
	}
	for g, group := range m.Groups {
		mask := MaskOf(m.Masked, g)
		if !mask.Valid() {
			return fmt.Errorf("group %d: masked columns %q", g, string(mask))
		}
		if err := m.fewHolders(group, mask, c.MinCohort); err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		for _, i := range mask.But(Lacked(group, m.Lacks)).List() {
			return fmt.Errorf("group %d: column %d of the plan is masked and each hospital of the group has it", g, i+1)
		}
	}
	return nil
}

// fewHolders names the first column that is not masked and that fewer than k of a group hold.
func (m VerifiedManifest) fewHolders(group []HospitalID, mask Columns, k int) error {
	for _, i := range Short(group, m.Lacks, k).But(mask).List() {
		holders := 0
		for _, id := range group {
			if !m.Lacks(id).Has(i) {
				holders++
			}
		}
		return fmt.Errorf("column %d of the plan: %d holders, fewer than K = %d", i+1, holders, k)
	}
	return nil
}
