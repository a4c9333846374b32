//go:build deep

package participant

import "testing"

// TestDeep explores what takes longer than a minute: make deep.
func TestDeep(t *testing.T) {
	for _, s := range []scenario{
		{name: "three manifests", manifests: [][]int{{1}, {2}, {1}}},
		{name: "two nested candidates and another manifest, with recoveries", manifests: [][]int{{0, 1}, {1}}, recoveries: true},
		{name: "two manifests that release a third", manifests: [][]int{{1}, {2}, {1}}, releases: []release{{1, 0, nil}, {2, 0, nil}}},
	} {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}
