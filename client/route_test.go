package client

import (
	"fmt"
	"testing"
)

// TestRoute: what is asked next after each answer. "-" is none, "a>b" is a's word that b
// leads, "..." is a wait with who stands by.
func TestRoute(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []string
		want    string // address asked after each, + if soon, w if it waits there
	}{
		{"one address is asked again", []string{"-", "-", "a>x", "a>x"}, "a a a+w a"},
		{"those that do not answer in turn", []string{"-", "-", "-", "-"}, "b c a b"},
		{"the leader that is named", []string{"a>c"}, "c+"},
		{"a standby whose leader is gone is waited at", []string{"-", "b>a", "b>a"}, "b b+w c"},
		{"a leader that is back", []string{"-", "b>a", "...", "c>a"}, "b b+w c+ a+"},
		{"a leader that is not", []string{"-", "b>a", "...", "-", "a>b"}, "b b+w c+ a+ b+"},
		{"nobody leads", []string{"a>", "a>", "b>"}, "a+w b b+w"},
		{"an address that is not configured is not asked", []string{"a>evil", "a>evil"}, "a+w b"},
		{"three that name each other", []string{"a>b", "b>c", "c>a", "a>b", "a>b"}, "b+ c+ a+ a+w b"},
		{"one that names itself", []string{"a>a"}, "b"},
		{"after a success all is forgotten", []string{"-", "ok", "b>a"}, "b b a+"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addresses := []string{"a", "b", "c"}
			if tc.name == "one address is asked again" {
				addresses = addresses[:1]
			}
			r := newRoute(addresses)
			got := ""
			for i, answer := range tc.answers {
				soon := false
				switch {
				case answer == "ok":
					r.well()
				case answer == "...":
					r.waited()
					soon = true
				case answer == "-":
					soon = r.failed(nil, false)
				default:
					if answer[:1] != r.address() {
						t.Fatalf("%d: %s is asked, not %s", i, r.address(), answer[:1])
					}
					soon = r.failed([]string{answer[2:]}, true)
				}
				got += fmt.Sprintf(" %s%s%s", r.address(), map[bool]string{true: "+"}[soon], map[bool]string{true: "w"}[r.wait])
			}
			if got[1:] != tc.want {
				t.Errorf("%v: %s, want %s", tc.answers, got[1:], tc.want)
			}
		})
	}
}
