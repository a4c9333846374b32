package participant

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// wholeState is a custodian of a charter that sums all of five hospitals, or none: K = 4.
func wholeState(t *testing.T) State {
	c := testCharter(5, 5, 4, 1)
	c.MinCohort, c.Cohort = 4, federation.CohortAll
	s := State{Self: c.Custodians[0], Charter: c, Seen: federation.TreeHead{Size: 1}}
	return mustApply(t, s, Start(federation.Sum([]byte("run 1"))), nil)
}

// sums sends for a candidate under an evaluation of a month, on a version.
func (s State) sums(t *testing.T, round uint64, version float32, month federation.Month, ids ...federation.HospitalID) (State, error) {
	t.Helper()
	s, m := s.underMonth(t, round, federation.Evaluate, version, month, nil)
	return send(s, m, candidateOf(m.Digest, ids...))
}

// TestMonths: each month of one version is evaluated once, by K hospitals or more, those of
// each month its own; all records and a month overlap; and a month is of the same hospitals on
// every version.
func TestMonths(t *testing.T) {
	s := wholeState(t)
	all := s.Charter.Groups[0]
	for i, x := range []struct {
		name    string
		version float32
		month   federation.Month
		of      []federation.HospitalID
		want    error
	}{
		{"fewer than K", 1, "2026-01", all[:3], federation.ErrCandidate},
		{"January of all", 1, "2026-01", all, nil},
		{"January again", 1, "2026-01", all, ErrAnswered},
		{"January without one", 1, "2026-01", all[1:], ErrAnswered},
		{"February without one", 1, "2026-02", all[1:], nil},
		{"March without another", 1, "2026-03", all[:4], nil},
		{"all records", 1, "", all, ErrAnswered},
		{"January of the next version, without one", 2, "2026-01", all[1:], ErrLine},
		{"January of the next version", 2, "2026-01", all, nil},
		{"February of the next version, of one more", 2, "2026-02", all, ErrLine},
		{"all records of another version, without one", 3, "", all[1:], federation.ErrCandidate},
		{"all records of another version", 3, "", all, nil},
		{"a month of it", 3, "2026-04", all, ErrAnswered},
	} {
		next, err := s.sums(t, uint64(i)+1, x.version, x.month, x.of...)
		if !errors.Is(err, x.want) {
			t.Fatalf("%s: %v", x.name, err)
		}
		if err == nil {
			s = next
		}
	}
}

// TestMonthThatFailed: where no group of all records held, a month of them is not what its
// hospitals kept, so it is refused; nor is it the other way round.
func TestMonthThatFailed(t *testing.T) {
	for _, x := range [][2]federation.Month{{"", "2026-01"}, {"2026-01", ""}} {
		s := wholeState(t)
		all := s.Charter.Groups[0]
		s, m := s.underMonth(t, 1, federation.Evaluate, 1, x[0], nil)
		c := candidateOf(m.Digest, all...)
		s, err := send(s, m, c)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := NoGroupHeld(s, m.Digest, c.Digest())
		s = mustApply(t, s, entries, err)
		if _, err := s.sums(t, 2, 1, x[1], all...); !errors.Is(err, ErrAnswered) {
			t.Errorf("%q after %q: %v", x[1], x[0], err)
		}
		if _, err := s.sums(t, 3, 1, x[0], all...); err != nil {
			t.Errorf("%q again, of the same: %v", x[0], err)
		}
	}
}

// TestMonthsOfAGuard: months are disjoint, so the guard lets them differ by one hospital; all
// records of nearly the same version are not disjoint from a month.
func TestMonthsOfAGuard(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	s, err := s.sums(t, 1, 0, "2026-01", all...)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.sums(t, 2, 0, "2026-02", all[1:]...); err != nil {
		t.Errorf("another month: %v", err)
	}
	if _, err = s.sums(t, 3, .0005, "", all[2:]...); !errors.Is(err, federation.ErrGuard) {
		t.Errorf("all records of nearly the same version: %v", err)
	}
}

// TestLinesAreNotForgotten: whoever asks for ever more months does not make a custodian forget
// of whom the first were.
func TestLinesAreNotForgotten(t *testing.T) {
	s := guardedState(t)
	s.Charter.Guard = 0
	all := s.Charter.Groups[0]
	s, err := s.sums(t, 1, 1, "", all...)
	if err != nil {
		t.Fatal(err)
	}
	for month := federation.Month("1900-01"); len(s.Lines) < federation.MaxLines; month = month.After(1) {
		s = s.noted(&federation.Opened{Kind: federation.Evaluate, Part: federation.Part{Date: "admitted", Month: month}})
	}
	if _, err = s.sums(t, 2, 2, "", all[1:]...); !errors.Is(err, ErrLine) {
		t.Errorf("the first line: %v", err)
	}
	if _, err = s.sums(t, 3, 3, "2026-01", all...); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
}

// TestMonthBeyondThePlan: people approved certain months.
func TestMonthBeyondThePlan(t *testing.T) {
	s := wholeState(t)
	for _, month := range []federation.Month{"2025-12", "2027-01", "2026-1", "2026-13", "x"} {
		h := testHeader(s.Charter, testPlan(), 1)
		h.Kind, h.Part, h.Format = federation.Evaluate, month, testPlan().Format(federation.Evaluate)
		h.Questions = testPlan().QuestionsOf(h.Kind, h.Parameters, month)
		if _, err := JoinHeader(s, testPlan(), h); !errors.Is(err, federation.ErrHeader) {
			t.Errorf("%s: %v", month, err)
		}
	}
}
