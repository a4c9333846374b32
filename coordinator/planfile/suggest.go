package planfile

import (
	"fmt"
	"strings"
)

// maxListed is how many keys an error lists when none is close.
const maxListed = 12

// unknown says what is wrong with a key that nobody knows.
func unknown(name string, known []string) string {
	best, distance := "", 1+max(1, len(name)/3)
	if len(name) <= maxQuoted {
		for _, k := range known {
			if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
				best, distance = k, d
			}
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("unknown key: did you mean %q?", best)
	case len(known) > maxListed:
		return "unknown key"
	}
	return "unknown key: want one of " + strings.Join(known, ", ")
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours that
// turn one word into the other (optimal string alignment), byte by byte.
func editDistance(a, b string) int {
	var before, last []int
	for i := range len(a) + 1 {
		row := make([]int, len(b)+1)
		for j := range row {
			switch {
			case i == 0:
				row[j] = j
			case j == 0:
				row[j] = i
			default:
				row[j] = min(last[j], row[j-1]) + 1
				replace := last[j-1]
				if a[i-1] != b[j-1] {
					replace++
				}
				row[j] = min(row[j], replace)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					row[j] = min(row[j], before[j-2]+1)
				}
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
