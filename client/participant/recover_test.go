package participant

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// TestRecover: what the coordinator's log has and the journal lacks is taken up, what is
// not answered is burned, and afterwards neither can be answered.
func TestRecover(t *testing.T) {
	charter := testCharter(4, 4, 3, 1)
	s := State{Self: charter.Custodians[0], Charter: charter, Counter: 3, Memory: []Memory{
		{Manifest: federation.Digest{1}, Round: 1, Questions: []string{"q1"}, Answer: federation.Digest{11}, Submitters: federation.Digest{12}},
		{Manifest: federation.Digest{2}, Round: 2, Questions: []string{"q2"}},
		{Manifest: federation.Digest{3}, Round: 3, Questions: []string{"q3"}, Burned: true},
		{Manifest: federation.Digest{4}, Round: 4, Questions: []string{"q4"}},
		{Manifest: federation.Digest{5}, Round: 1, Questions: []string{"q5"}, Past: true},
	}}
	set := [][]federation.HospitalID{{"h-a", "h-b", "h-c"}}
	known := Recall{Manifest: federation.Digest{1}, Round: 1, Questions: []string{"q1"}, Message: federation.Digest{11}, Submitters: federation.Digest{12}}
	forgotten := Recall{Manifest: federation.Digest{2}, Round: 2, Questions: []string{"q2"}, Message: federation.Digest{21}, Submitters: federation.Digest{22}, Set: set}
	unseen := Recall{Manifest: federation.Digest{6}, Round: 6, Questions: []string{"q6"}, Message: federation.Digest{61}, Submitters: federation.Digest{62}, Set: set}
	open := federation.Digest{7}
	entries, err := Recover(s, 9, []Recall{known, forgotten, unseen, unseen}, open)
	if err != nil {
		t.Fatal(err)
	}
	after := s
	for _, e := range entries {
		if e, err = DecodeEntry(federation.Encode(e)); err != nil {
			t.Fatal(err)
		}
		if after, err = Apply(after, e); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
	}
	if after.Counter != 9 || len(entries) != 5 {
		t.Errorf("join %d after %d entries", after.Counter, len(entries))
	}
	for manifest, want := range map[byte]string{1: "answered", 2: "answered", 3: "burned", 4: "burned", 5: "", 6: "answered", 7: "burned"} {
		m, _ := after.Recall(federation.Digest{manifest})
		got := ""
		switch {
		case m.Answered() && !m.Burned:
			got = "answered"
		case m.Burned && !m.Answered():
			got = "burned"
		}
		if got != want {
			t.Errorf("manifest %d is %q, want %q", manifest, got, want)
		}
	}
	if m, _ := after.Recall(federation.Digest{6}); m.Questions[0] != "q6" || federation.SetDigest(m.Set) != federation.SetDigest(set) || m.Submitters != unseen.Submitters {
		t.Errorf("recalled %+v", m)
	}
	if _, err := BurnManifest(after, 2, federation.Digest{2}); !errors.Is(err, ErrAnswered) {
		t.Errorf("burn what was recalled: %v", err)
	}
	again, err := Recover(after, 4, []Recall{known, forgotten, unseen}, open)
	if err != nil || len(again) != 1 || again[0].Counter != 9 {
		t.Errorf("recover again: %+v, %v", again, err)
	}
	for name, r := range map[string]Recall{"burned and answered": {Manifest: federation.Digest{3}, Message: federation.Digest{31}},
		"answered in two ways": {Manifest: federation.Digest{1}, Message: federation.Digest{99}}} {
		if _, err := Recover(s, 9, []Recall{r}, open); !errors.Is(err, ErrBurned) && !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Self = "h-nobody"
	if entries, err := Recover(s, 9, nil, open); err != nil || len(entries) != 1 {
		t.Errorf("no custodian: %+v, %v", entries, err)
	}
}
