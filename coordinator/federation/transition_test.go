package federation

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// testTransition goes from four custodians (t = 3, f = 1) to the same with epoch 2. Three
// close: the first two answered the same question for one set, the first also another.
func testTransition(t testing.TB) Transition {
	t.Helper()
	before := testCharter(t, 4)
	after := clone(t, before)
	after.Epoch, after.Previous = 2, before.Digest()
	tr := Transition{Old: before, New: after}
	opened := Answered{Manifest: Sum([]byte("opened")), Questions: []string{"train/a"}, Set: SetDigest(before.Groups)}
	once := Answered{Manifest: Sum([]byte("once")), Questions: []string{"train/b"}, Set: SetDigest(before.Groups)}
	for i, id := range before.Custodians[:3] {
		c := Closing{V: 1, Charter: before.Digest(), Custodian: id, Answered: []Answered{}}
		if i < 2 {
			c.Answered = append(c.Answered, opened)
		}
		if i < 1 {
			c.Answered = append(c.Answered, once)
		}
		slices.SortFunc(c.Answered, CompareAnswered)
		tr.close(c)
	}
	return tr
}

func (t *Transition) close(c Closing) {
	blob := Sum(Encode(c))
	t.Closings = append(t.Closings, VerifiedClosing{Closing: c, Blob: blob})
	t.New.Closings = append(slices.Clip(t.New.Closings), blob)
}

func TestTransitionInherits(t *testing.T) {
	tr := testTransition(t)
	inherited, err := CheckTransition(tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Three burns are a certificate: "opened" has one statement without it, "once" two.
	if len(inherited) != 2 {
		t.Fatalf("inherited %v, want both answers", inherited)
	}
	tr.close(Closing{V: 1, Charter: tr.Old.Digest(), Custodian: tr.Old.Custodians[3], Answered: []Answered{}})
	if inherited, err = CheckTransition(tr, nil); err != nil || len(inherited) != 1 || inherited[0].Manifest != Sum([]byte("opened")) {
		t.Errorf("with a fourth statement: %v, %v, want the answer that two gave", inherited, err)
	}
}

func TestTransitionRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Transition)
		want   string
	}{
		"lower epoch":               {func(tr *Transition) { tr.Old, tr.New = tr.New, tr.Old }, "epoch 1 after epoch 2"},
		"same epoch":                {func(tr *Transition) { tr.Old.Epoch, tr.Old.Previous, tr.Old.Closings = 2, Sum(nil), []Digest{Sum(nil)} }, "epoch 2 after epoch 2"},
		"an epoch skipped":          {func(tr *Transition) { tr.New.Epoch = 3 }, "epoch 3 after epoch 1"},
		"another charter before it": {func(tr *Transition) { tr.New.Previous = Sum(nil) }, "it follows charter"},
		"another log":               {func(tr *Transition) { tr.New.LogKey = "log2" }, "log \"log2\" after log \"log\""},
		"charter that breaks rules": {func(tr *Transition) { tr.New.MinCohort = 1 }, "min cohort 1"},
		"no statement":              {func(tr *Transition) { tr.Closings, tr.New.Closings = nil, nil }, "epoch 2 with 0 closing statements"},
		"one statement short":       {func(tr *Transition) { tr.Closings, tr.New.Closings = tr.Closings[:2], tr.New.Closings[:2] }, "2 custodians closed epoch 1: 3 must"},
		"statement left out":        {func(tr *Transition) { tr.Closings = tr.Closings[:2] }, "2 closing statements, the charter names 3"},
		"statement exchanged":       {func(tr *Transition) { tr.Closings[0] = tr.Closings[1] }, "is not the one that the charter names"},
		"closed twice": {func(tr *Transition) {
			tr.Closings[1], tr.New.Closings[1] = tr.Closings[0], tr.New.Closings[0]
		}, "closed twice"},
		"statement of another epoch": {func(tr *Transition) { tr.Closings[0].Charter = Sum(nil) }, "it closes charter"},
		"statement of no custodian":  {func(tr *Transition) { tr.Closings[0].Custodian = "h-aaaaaaaaaaaaaaaa" }, "no custodian of epoch 1"},
		"statement format":           {func(tr *Transition) { tr.Closings[0].V = 2 }, "format 2"},
		"answers out of order":       {func(tr *Transition) { slices.Reverse(tr.Closings[0].Answered) }, "repeated or out of order"},
		"answer without a question":  {func(tr *Transition) { tr.Closings[0].Answered[0].Questions = nil }, "is incomplete"},
		"approvals of nothing":       {func(tr *Transition) { tr.Approvals = []VerifiedApproval{{}} }, "1 approvals of no release"},
	} {
		tr := testTransition(t)
		for i := range tr.Closings {
			tr.Closings[i].Closing = clone(t, tr.Closings[i].Closing)
		}
		c.change(&tr)
		_, err := CheckTransition(tr, nil)
		if !errors.Is(err, ErrTransition) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestAddedHospitals: who was not there before is approved by name at each hospital.
func TestAddedHospitals(t *testing.T) {
	tr := testTransition(t)
	bigger := testCharter(t, 6)
	bigger.Epoch, bigger.Previous, bigger.Closings = 2, tr.Old.Digest(), tr.New.Closings
	tr.New = bigger
	added := Added(tr.Old, tr.New)
	if len(added) != 2 {
		t.Fatalf("added %v", added)
	}
	if _, err := CheckTransition(tr, added[:1]); !errors.Is(err, ErrAdded) || !strings.Contains(err.Error(), string(added[1])) {
		t.Errorf("one added name is not approved: %v", err)
	}
	if _, err := CheckTransition(tr, added); err != nil {
		t.Errorf("both are approved: %v", err)
	}
}

// testRelease frees the question that was opened from the last hospital of S.
func testRelease(tr Transition) Release {
	set := tr.Old.Groups
	return Release{V: 1, Questions: []string{"train/a"}, Set: set, LeavesOut: set[0][3:]}
}

// release adds a release with the approvals of the first n hospitals of S.
func (tr *Transition) release(r Release, n int) {
	listed := ApprovedRelease{Release: r, Approvals: []Digest{}}
	for _, id := range tr.Old.Groups[0][:n] {
		a := Approval{V: 1, Charter: tr.Old.Digest(), Release: r.Digest(), Hospital: id}
		listed.Approvals = append(listed.Approvals, Sum(Encode(a)))
		tr.Approvals = append(tr.Approvals, VerifiedApproval{Approval: a, Blob: Sum(Encode(a))})
	}
	tr.New.Releases = append(tr.New.Releases, listed)
}

func TestRelease(t *testing.T) {
	tr := testTransition(t)
	r := testRelease(tr)
	tr.release(r, 3)
	inherited, err := CheckTransition(tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	group := tr.Old.Groups[0]
	for _, a := range inherited {
		freed := a.Manifest == Sum([]byte("opened"))
		if a.Allows([]string{"train/a"}, SetDigest([][]HospitalID{group[:3]})) != freed && a.Questions[0] == "train/a" {
			t.Errorf("%v: the remaining three", a)
		}
		if a.Allows(a.Questions, SetDigest([][]HospitalID{group[1:]})) {
			t.Errorf("%v: others than were released are allowed", a)
		}
		if !a.Allows(a.Questions, SetDigest(tr.Old.Groups)) || !a.Allows([]string{"train/c"}, SetDigest([][]HospitalID{group[1:]})) {
			t.Errorf("%v: the same hospitals, or another question, are refused", a)
		}
	}
	if got, want := r.Consequence(group[3]), "The next sum leaves out "+string(group[3])+". A coordinator that opened the earlier sum of all 4 learns the update of "+
		string(group[3])+" alone. That is this hospital."; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A release of another question, or of another set, changes nothing.
func TestReleaseOfWhatNobodyAnswered(t *testing.T) {
	for name, change := range map[string]func(*Release){
		"another set":      func(r *Release) { r.Set, r.LeavesOut = [][]HospitalID{r.Set[0][:3]}, r.Set[0][:1] },
		"another question": func(r *Release) { r.Questions = []string{"train/z"} },
	} {
		tr := testTransition(t)
		r := testRelease(tr)
		change(&r)
		tr.release(r, 3)
		inherited, err := CheckTransition(tr, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, a := range inherited {
			if !a.Released.IsZero() {
				t.Errorf("%s: %v is released", name, a)
			}
		}
	}
}

func TestReleaseRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		build func(*Transition)
		want  string
	}{
		"one approval short":       {func(tr *Transition) { tr.release(testRelease(*tr), 2) }, "2 approvals: 3 of the 4 hospitals must approve"},
		"approvals left out":       {func(tr *Transition) { tr.release(testRelease(*tr), 3); tr.Approvals = tr.Approvals[:2] }, "approvals are missing"},
		"approval exchanged":       {func(tr *Transition) { tr.release(testRelease(*tr), 3); tr.Approvals[0].Blob = Sum(nil) }, "is not the one that the charter names"},
		"approval of another":      {func(tr *Transition) { tr.release(testRelease(*tr), 3); tr.Approvals[0].Release = Sum(nil) }, "is of release"},
		"approval of an old epoch": {func(tr *Transition) { tr.release(testRelease(*tr), 3); tr.Approvals[0].Charter = Sum(nil) }, "after charter"},
		"approval repeated": {func(tr *Transition) {
			tr.release(testRelease(*tr), 3)
			tr.Approvals[1].Hospital = tr.Approvals[0].Hospital
		}, "or repeated"},
		"approval from outside S": {func(tr *Transition) { tr.release(testRelease(*tr), 3); tr.Approvals[1].Hospital = "h-aaaaaaaaaaaaaaaa" }, "not in the set"},
		"nobody left out":         {func(tr *Transition) { r := testRelease(*tr); r.LeavesOut = nil; tr.release(r, 4) }, "0 of 4 left out"},
		"everybody left out":      {func(tr *Transition) { r := testRelease(*tr); r.LeavesOut = r.Set[0]; tr.release(r, 4) }, "4 of 4 left out"},
		"a stranger left out": {func(tr *Transition) {
			r := testRelease(*tr)
			r.LeavesOut = []HospitalID{"h-aaaaaaaaaaaaaaaa"}
			tr.release(r, 4)
		}, "not in the set"},
	} {
		tr := testTransition(t)
		c.build(&tr)
		if _, err := CheckTransition(tr, nil); !errors.Is(err, ErrRelease) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestClosersKnowEverySum takes every way in which custodians of one epoch can have
// answered and closed, m = 3, 4 and 5, and hostile ones can have lied about it. Whatever t
// custodians answered, before or after the transition, the new epoch inherits it; and if
// f were 2t−m, it would not.
func TestClosersKnowEverySum(t *testing.T) {
	for _, m := range []int{3, 4, 5} {
		c := testCharter(t, m)
		lost, cases := lostSums(c, c.MaxHostile, c.BurnQuorum())
		t.Logf("m=%d t=%d f=%d: %d cases", m, c.Threshold, c.MaxHostile, cases)
		if lost > 0 || cases == 0 {
			t.Errorf("m=%d: %d of %d sums that can be opened are forgotten", m, lost, cases)
		}
		if lost, _ := lostSums(c, c.MaxHostile, c.BurnQuorum()-1); lost == 0 {
			t.Errorf("m=%d: with one statement less nothing is forgotten", m)
		}
		if lost, _ := lostSums(c, 2*c.Threshold-m, c.BurnQuorum()); lost == 0 {
			t.Errorf("m=%d: with f = 2t−m nothing is forgotten", m)
		}
	}
}

// lostSums counts the cases in which t answers under one manifest exist or can still
// come, and how many of them the next epoch does not inherit. The last hostile
// custodians are hostile: they answer, and close without saying so.
func lostSums(c Charter, hostile, quorum int) (lost, cases int) {
	m, honest := len(c.Custodians), len(c.Custodians)-hostile
	after := Charter{Epoch: 2}
	asked := Answered{Manifest: Sum([]byte("M")), Questions: []string{"train/a"}, Set: SetDigest(c.Groups)}
	for closers := range 1 << m {
		for answered := range 1 << honest {
			tr := Transition{Old: c, New: after}
			answers := hostile
			for i, id := range c.Custodians {
				gave, closed := i < honest && answered&(1<<i) != 0, closers&(1<<i) != 0
				if gave || (i < honest && !closed) { // who has not closed can still answer
					answers++
				}
				if !closed {
					continue
				}
				statement := Closing{V: 1, Charter: c.Digest(), Custodian: id, Answered: []Answered{}}
				if gave {
					statement.Answered = append(statement.Answered, asked)
				}
				tr.close(statement)
			}
			if len(tr.Closings) < quorum || answers < c.Threshold {
				continue
			}
			cases++
			if len(tr.inherit()) == 0 {
				lost++
			}
		}
	}
	return lost, cases
}

func FuzzDecodeEpoch(f *testing.F) {
	tr := testTransition(f)
	tr.release(testRelease(tr), 3)
	f.Add(Encode(tr.New))
	f.Add(Encode(tr.New.Terms()))
	f.Add(Encode(tr.Closings[0].Closing))
	f.Add(Encode(tr.Approvals[0].Approval))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeClosing(b); err == nil {
			again(t, b, c)
			if err := CheckClosing(tr.Old, c); err != nil && !errors.Is(err, ErrClosing) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
		if c, err := DecodeCharter(b); err == nil {
			again(t, b, c)
			if _, err := CheckTransition(Transition{Old: tr.Old, New: c, Closings: tr.Closings, Approvals: tr.Approvals}, nil); err != nil && !errors.Is(err, ErrTransition) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
		decodeAgain[Approval](t, b)
		if c, err := DecodeTerms(b); err == nil {
			again(t, b, c)
		}
	})
}

// TestSetDigest: the name of a set says who, not which group has which number.
func TestSetDigest(t *testing.T) {
	a, b := []HospitalID{"h-a", "h-b"}, []HospitalID{"h-c"}
	one := SetDigest([][]HospitalID{a, b})
	for name, c := range map[string]struct {
		set  [][]HospitalID
		same bool
	}{
		"an empty group beside them": {[][]HospitalID{a, {}, b}, true},
		"groups numbered otherwise":  {[][]HospitalID{b, a}, true},
		"one group of all":           {[][]HospitalID{{"h-a", "h-b", "h-c"}}, false},
		"one hospital less":          {[][]HospitalID{a[:1], b}, false},
		"a group less":               {[][]HospitalID{a, {}}, false},
	} {
		if got := SetDigest(c.set) == one; got != c.same {
			t.Errorf("%s: the same name is %v", name, got)
		}
	}
}
