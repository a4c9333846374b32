package planfile

import "atrium/coordinator/federation"

// keyWeight is what an update weighs; records, the default, is written out in a file and left out
// of a plan.
const (
	keyWeight     = "weight"
	weightRecords = "records"
)

// readWeight puts what a plan has in the place of the word in the file.
func readWeight(root *node) {
	n := root.member("privacy").member(keyWeight)
	if n == nil || n.kind != text {
		return
	}
	switch n.text {
	case weightRecords:
		n.text = federation.WeightRecords
	case federation.WeightRecords:
		n.text = `""` // no word at all is no weight
	}
}

// weightWord is the word for a file.
func weightWord(weight string) string {
	if weight == federation.WeightRecords {
		return weightRecords
	}
	return weight
}
