//go:build deep

package participant

import "testing"

// TestDeep explores what takes longer than a minute: make deep.
func TestDeep(t *testing.T) {
	for _, s := range []scenario{
		{"three manifests", [][]int{{1}, {2}, {1}}, false},
		{"two nested candidates and another manifest, with recoveries", [][]int{{0, 1}, {1}}, true},
	} {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}
