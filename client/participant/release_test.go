package participant

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// TestReleased: a manifest that every hospital released in its Join does not bind under the one
// that these Joins made: under that plan or another, for the same hospitals or others, also
// after a restart; and under a later one the new opening binds too.
func TestReleased(t *testing.T) {
	w := newWorld(t)
	first := w.sent(t, 0)
	entries, err := NoGroupHeld(first, w.m.Digest, w.candidate(0).Digest())
	failed := mustApply(t, first, entries, err)
	for name, x := range map[string]struct {
		before State
		adjust func(*federation.VerifiedManifest)
		set    int
		want   error
	}{
		"the same hospitals":       {first, releasing(w.m.Digest), 0, nil},
		"others":                   {first, releasing(w.m.Digest), 1, nil},
		"after a restart":          {restarted(t, first), releasing(w.m.Digest), 1, nil},
		"what failed, of others":   {failed, releasing(w.m.Digest), 1, nil},
		"after a lost journal":     {silent(t, w.ready(t, 0)), releasing(w.m.Digest), 1, nil},
		"by all but one":           {first, releasing(w.m.Digest, 3), 1, ErrAnswered},
		"by all but one, the same": {first, releasing(w.m.Digest, 3), 0, ErrAnswered},
		"by all but the last":      {silent(t, w.ready(t, 0)), releasing(w.m.Digest, len(w.s.Charter.Members)-1), 1, ErrAnswered},
		"another manifest":         {first, releasing(federation.Sum([]byte("M2"))), 1, ErrAnswered},
		"while one did not join": {first, func(m *federation.VerifiedManifest) {
			releasing(w.m.Digest)(m)
			m.Joins = m.Joins[:len(m.Joins)-1]
			m.Groups = [][]federation.HospitalID{m.Groups[0][:len(m.Joins)]}
		}, 1, ErrAnswered},
	} {
		s, m, err := joinAndAccept(t, x.before, testHeader(w.s.Charter, testPlan(), 2), "M2", x.adjust)
		if err != nil {
			t.Fatal(name, err)
		}
		c := candidateOf(m.Digest, w.set(x.set)...)
		if err := MayOpen(s, m, c, nil); !errors.Is(err, x.want) {
			t.Errorf("%s: open: %v, want %v", name, err, x.want)
		}
		if x.want != nil {
			continue
		}
		s = restarted(t, readyFor(t, s, m, c, nil)) // what was ready stays so
		entries, err := SendFor(s, m.Digest, c.Digest(), federation.Sum([]byte("signed send")))
		s = mustApply(t, s, entries, err)
		again, third, err := joinAndAccept(t, s, testHeader(w.s.Charter, testPlan(), 3), "M3", x.adjust)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := MayOpen(again, third, candidateOf(third.Digest, w.set(x.set)...), nil); !errors.Is(err, ErrAnswered) {
			t.Errorf("%s: and once more: %v", name, err)
		}
	}
}

// TestOneOfTwoReleasedOpenings: of two manifests that release the same one a custodian sends for
// the first only.
func TestOneOfTwoReleasedOpenings(t *testing.T) {
	w := newWorld(t)
	s, second, err := joinAndAccept(t, w.sent(t, 0), testHeader(w.s.Charter, testPlan(), 2), "M2", releasing(w.m.Digest))
	if err != nil {
		t.Fatal(err)
	}
	c2 := candidateOf(second.Digest, w.set(1)...)
	s = readyFor(t, s, second, c2, nil)
	s, third, err := joinAndAccept(t, s, testHeader(w.s.Charter, testPlan(), 3), "M3", releasing(w.m.Digest))
	if err != nil {
		t.Fatal(err)
	}
	c3 := candidateOf(third.Digest, w.set(0)...)
	s, err = send(s, third, c3)
	s = mustApply(t, s, nil, err)
	if err := MaySend(s, second.Digest, c2.Digest()); !errors.Is(err, ErrAnswered) {
		t.Errorf("for the other: %v", err)
	}
}

// TestReleaseOfSomethingElse: a header may have people release what answered its own question, as
// far as a hospital knows, and nothing else.
func TestReleaseOfSomethingElse(t *testing.T) {
	w := newWorld(t)
	s := w.sent(t, 0)
	s.Bound = []Bound{{Epoch: 1, Answered: federation.Answered{Manifest: federation.Sum([]byte("M0")), Questions: []string{"train/other"}}}}
	for name, x := range map[string]struct {
		manifest string
		other    bool
		want     error
	}{
		"its own question":           {"M1", false, nil},
		"another question":           {"M1", true, ErrOtherQuestion},
		"another of an epoch before": {"M0", false, ErrOtherQuestion},
		"what is not known here":     {"M9", false, nil},
	} {
		h := testHeader(w.s.Charter, testPlan(), 2)
		h.Releases = []federation.Digest{federation.Sum([]byte(x.manifest))}
		if x.other {
			h.Parameters = federation.Sum([]byte("other parameters"))
			h.Questions = testPlan().Questions(h.Kind, h.Parameters)
		}
		if _, err := JoinHeader(s, testPlan(), h); !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
}
