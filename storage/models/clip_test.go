package models

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// TestClipsOfSnapshot: what a version says of clips goes through its bytes, is no part of
// the parameters, and holds within the bounds of whatever plan reads it.
func TestClipsOfSnapshot(t *testing.T) {
	s, _ := testSnapshot(t)
	p := testPlan()
	if clips, err := Clips(p, s); err != nil || clips != nil {
		t.Fatalf("a plan that fixes its clip: %v, %v", clips, err)
	}
	p.Privacy.Clip, p.Privacy.ClipLeast = 2, 0.125
	n := len(p.Shared())
	first, err := Clips(p, s)
	if err != nil || len(first) != n || first[0] != (aggregation.Clip{Clip: 2}) {
		t.Fatalf("of a version that says nothing: %v, %v", first, err)
	}
	parameters := ParametersDigest(s)
	want := make([]aggregation.Clip, n)
	for i := range want {
		want[i] = aggregation.Clip{Clip: 0.125 * float64(i+2), Floor: 0.1}
	}
	s.SetClips(p, want)
	stored, err := Decode(Encode(s))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Clips(p, stored)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if ParametersDigest(stored) != parameters {
		t.Error("clips change the parameters' digest")
	}
	p.Privacy.Clip, p.Privacy.ClipLeast = 0.25, 0.2
	if got, _ = Clips(p, stored); got[0].Clip != 0.25 || got[n-1].Clip != 0.25 {
		t.Errorf("beyond the plan's bounds: %v", got)
	}
	p.Aggregation.LocalTensors = []string{p.Shared()[0].Name}
	if got, err = Clips(p, stored); err != nil || len(got) != n-1 {
		t.Errorf("of other tensors: %v, %v", got, err)
	}
}

func TestBadClips(t *testing.T) {
	s, _ := testSnapshot(t)
	p := testPlan()
	p.Privacy.Clip, p.Privacy.ClipLeast = 2, 0.125
	for _, text := range []string{``, `{}`, `[{"tensor":"a","clip":-1,"floor":0}]`, `[{"tensor":"a","clip":1,"floor":-0}]`,
		`[{"tensor":"a","clip":1e999,"floor":0}]`, `[{"clip":1,"tensor":"a","floor":0}]`, `[{"tensor":"a","clip":1,"floor":0,"x":1}]`} {
		s.Metadata[MetadataClip] = text
		if clips, err := Clips(p, s); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v, %v", text, clips, err)
		}
	}
}

func FuzzClips(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"tensor":"layer1.weight","clip":0.5,"floor":0.475}]`))
	f.Add([]byte(`[{"tensor":"a","clip":-1,"floor":0}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseClips(b)
		if err != nil {
			return
		}
		if string(federation.Encode(list)) != string(b) {
			t.Errorf("%q re-encodes to %q", b, federation.Encode(list))
		}
	})
}
