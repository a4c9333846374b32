package round_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// joinLacking has everyone named join; those of without say that they lack the columns.
func (s *story) joinLacking(letters, without string, columns federation.Columns) {
	s.t.Helper()
	for _, l := range letters {
		ev := s.joinEvent(string(l), s.state.Round.Number)
		if strings.ContainsRune(without, l) {
			ev.Lacks = columns
			ev.Blob = federation.Sum(federation.Encode(ev.Join))
			s.w.blobs[ev.Blob] = ev.VerifiedJoin
		}
		s.must("join of "+string(l), ev)
	}
}

// gatherLacking is gather with such Joins.
func (s *story) gatherLacking(letters, without string, columns federation.Columns) {
	s.t.Helper()
	s.own(round.TaskOpen)
	s.joinLacking(letters, without, columns)
	s.own(round.TaskManifest)
}

// masks checks what the round masks by group.
func (s *story) masks(want ...federation.Columns) {
	s.t.Helper()
	if !slices.Equal(s.state.Round.Masked, want) {
		s.t.Errorf("round %d masks %q, want %q", s.state.Round.Number, s.state.Round.Masked, want)
	}
}

// newColumnsStory is one of hospitals in groups, of which any K = 3 are summed.
func newColumnsStory(t testing.TB, n, groups int) *story {
	charter := testCharter(t, n, groups).With(federation.Numbers{MaxHostile: 1, MinCohort: 3, Cohort: federation.CohortAny})
	if err := charter.Validate(); err != nil {
		t.Fatal(err)
	}
	return newStoryOf(t, charter, testPlan(1, 0))
}

var age = federation.ColumnsOf(0)

// TestStoryColumnOfOneHospital: what one hospital alone has is masked from the statistics on.
func TestStoryColumnOfOneHospital(t *testing.T) {
	s := newColumnsStory(t, 5, 1)
	s.gatherLacking("ABCDE", "BCDE", age)
	s.masks(age)
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.expect(round.Opening, "ABCDE")
	s.tell("column-of-one")
}

// TestStoryColumnCalledLate: three of five have a column and one of them is called too late. No
// candidate is proposed; the round ends with the reason, and the next masks the column, so that
// it does not wait for that hospital again.
func TestStoryColumnCalledLate(t *testing.T) {
	s := newColumnsStory(t, 5, 1)
	s.gatherLacking("ABCDE", "DE", age)
	s.masks()
	s.update("ABDE")
	s.pass(20)
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "4 updates before the deadline, and column 1 of the plan has 2 holders in group 0, fewer than K = 3")
	s.gatherLacking("ABCDE", "DE", age)
	s.masks(age)
	s.update("ABDE")
	s.pass(20)
	s.own(round.TaskPropose)
	s.expect(round.Opening, "ABDE")
	s.tell("column-called-late")
}

// TestColumnComesBack: what is masked because a hospital was late once is masked until it is
// summed again, and no longer.
func TestColumnComesBack(t *testing.T) {
	for letters, want := range map[string][]federation.Columns{"ABDE": {age}, "ABCDE": nil} {
		s := newColumnsStory(t, 5, 1)
		s.gatherLacking("ABCDE", "DE", age)
		s.update("ABDE")
		s.pass(20)
		s.own(round.TaskAbandon)
		s.gatherLacking("ABCDE", "DE", age)
		s.masks(age)
		s.update(letters)
		if len(letters) < 5 {
			s.pass(20)
		}
		s.own(round.TaskPropose)
		s.ready("A", "B", "C", "D")
		s.publishes("ABCD")
		s.gatherLacking("ABCDE", "DE", age)
		if s.masks(want...); !slices.Equal(s.state.Short, want) {
			t.Errorf("after %s: %q fell short", letters, s.state.Short)
		}
	}
}

// TestColumnDeclined: who declines is not waited for, and the column is masked all the same.
func TestColumnDeclined(t *testing.T) {
	s := newColumnsStory(t, 5, 1)
	for range 2 {
		s.gatherLacking("ABCDE", "DE", age)
		s.must("decline of C", s.declineEvent("C", federation.RoleUpdate))
		if s.state.Short != nil {
			break
		}
		s.own(round.TaskAbandon)
		s.says("reason", s.state.Round.Reason, "0 updates, and of those who can still be summed column 1 of the plan has 2 holders in group 0, fewer than K = 3 (C declined (the policy says no))")
	}
	s.masks(age)
	s.update("ABDE")
	s.own(round.TaskPropose)
	s.expect(round.Opening, "ABDE")
}

// TestColumnUnreadable: another candidate may not leave a column with too few holders.
func TestColumnUnreadable(t *testing.T) {
	s := newColumnsStory(t, 5, 1) // t = 4, f = 1
	for range 2 {
		s.gatherLacking("ABCDE", "DE", age)
		s.update("ABCDE")
		s.own(round.TaskPropose)
		s.ready("A-C", "B-C")
		if s.state.Short != nil {
			break
		}
		s.own(round.TaskAbandon)
		if r := s.state.Round; r.Phase != round.Abandoned || !strings.Contains(r.Reason, "column 1 of the plan has 2 holders in group 0, fewer than K = 3") {
			t.Fatalf("round is %s: %s", r.Phase, r.Reason)
		}
	}
	s.masks(age)
	s.own(round.TaskPropose)
	s.expect(round.Opening, "ABDE")
}

// TestColumnOfOneGroup: groups are masked each for itself; one in which a column fell short is
// dropped while another holds, and masks it from the next round on.
func TestColumnOfOneGroup(t *testing.T) {
	s := newColumnsStory(t, 8, 2)
	s.gatherLacking("ABCDEFGH", "AH", age)
	s.masks()
	s.update("ABCFGH") // D of the first group and E of the second are late
	s.pass(20)
	s.own(round.TaskAbandon) // both groups have two holders
	s.gatherLacking("ABCDEFGH", "AH", age)
	s.masks(age, age)

	s = newColumnsStory(t, 8, 2)
	s.gatherLacking("ABCDEFGH", "A", age)
	s.update("ABCEFGH")
	s.pass(20)
	s.own(round.TaskPropose)
	if got := s.state.Round.S; len(got[0]) != 0 || len(got[1]) != 4 || !slices.Equal(s.state.Short, []federation.Columns{age, ""}) {
		t.Errorf("S is %v, short %q", got, s.state.Short)
	}
}

// TestColumnsNeverLoop: whoever is late, declines or cannot be read in whichever round, a plan
// ends each time a column falls short with one column more masked.
func TestColumnsNeverLoop(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := newColumnsStory(t, 6, 1)
		lacks := map[string]federation.Columns{}
		for _, l := range "ABCDEF" {
			var list []int
			for c := range 4 {
				if rng.IntN(3) == 0 {
					list = append(list, c)
				}
			}
			lacks[string(l)] = federation.ColumnsOf(list...)
		}
		short := 0
		for range 12 {
			s.pass(600)
			s.own(round.TaskOpen)
			for _, l := range "ABCDEF" {
				s.joinLacking(string(l), string(l), lacks[string(l)])
			}
			s.own(round.TaskManifest)
			for _, l := range "ABCDEF"[:3+rng.IntN(4)] {
				s.must("update", s.updateEvent(string(l)))
			}
			s.pass(20)
			task := round.OwnTasks(s.state, s.moment())[0]
			before := s.state.Short
			s.own(task.Kind)
			if task.Kind != round.TaskAbandon {
				break
			}
			short++
			if slices.Equal(before, s.state.Short) {
				t.Fatalf("seed %d: %s, and nothing more is masked", seed, s.state.Round.Reason)
			}
		}
		if s.state.Round.Phase != round.Opening || short > 4 {
			t.Fatalf("seed %d: after %d rounds that fell short it is %s", seed, short, s.state.Round.Phase)
		}
	}
}

// TestAbandonNamesNoColumn: an entry that says a column fell short, where none did, is no entry.
func TestAbandonNamesNoColumn(t *testing.T) {
	s := newColumnsStory(t, 5, 1)
	s.gatherLacking("ABCDE", "DE", age)
	s.update("ABC")
	e := round.Entry{V: 1, Kind: round.Abandon, Round: s.state.Round.Number, Time: federation.FormatTime(start), Deadline: federation.FormatTime(start), Reason: "none", Short: true}
	if _, err := round.Apply(s.state, e); err == nil || !strings.Contains(err.Error(), "no column fell short") {
		t.Errorf("it applies: %v", err)
	}
}
