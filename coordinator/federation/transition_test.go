package federation

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// testTransition goes from four custodians (t = 3, f = 1) to the same with epoch 2. Three
// close: the first two sent on the same question for one set, which needs no proof, the
// first also on another, with its proof.
func testTransition(t testing.TB) Transition {
	t.Helper()
	before := testCharter(t, 4)
	after := clone(t, before)
	after.Epoch, after.Previous = 2, before.Digest()
	tr := Transition{Old: before, New: after}
	opened := Answered{Manifest: Sum([]byte("opened")), Candidate: Sum([]byte("of opened")), Questions: []string{"train/a"}, Set: SetDigest(before.Groups)}
	once := Answered{Manifest: Sum([]byte("once")), Candidate: Sum([]byte("of once")), Questions: []string{"train/b"}, Set: SetDigest(before.Groups)}
	for i, id := range before.Custodians[:3] {
		c := testClosing(before, id)
		if i < 2 {
			c.Answered = append(c.Answered, opened)
		}
		if i < 1 {
			once.Proof = testProof(before, once, id)
			c.Answered = append(c.Answered, once)
		}
		slices.SortFunc(c.Answered, CompareAnswered)
		tr.close(c)
	}
	return tr
}

func testClosing(c Charter, id HospitalID, answered ...Answered) Closing {
	return Closing{V: 1, Charter: c.Digest(), Custodian: id, Answered: append([]Answered{}, answered...), Before: []Answered{}, Random: Sum([]byte(id))}
}

// testProof has the readies of the first t custodians and the closer's own Send.
func testProof(c Charter, a Answered, closer HospitalID) *Proof {
	sent := Signed{Signer: closer, Body: Encode(Send{V: 1, Manifest: a.Manifest, Candidate: a.Candidate, Custodian: closer}), Signature: []byte("signature")}
	p := &Proof{Send: &sent}
	for _, id := range c.Custodians[:c.Threshold] {
		r := Ready{V: 1, Manifest: a.Manifest, Candidate: a.Candidate, Custodian: id, Asks: AsksDigest(a.Questions, a.Set)}
		p.Readies = append(p.Readies, Signed{Signer: id, Body: Encode(r), Signature: []byte("signature")})
	}
	return p
}

// verifiedClosing decodes what a statement embeds; the tests do without signatures.
func verifiedClosing(c Closing) VerifiedClosing {
	v := VerifiedClosing{Closing: c, Blob: Sum(Encode(c))}
	for _, a := range c.Answered {
		var p *VerifiedProof
		if a.Proof != nil {
			p = &VerifiedProof{}
			for _, s := range a.Proof.Readies {
				r, _ := Decode[Ready](s.Body, MaxMessageBytes)
				p.Readies = append(p.Readies, r)
			}
			if a.Proof.Send != nil {
				s, _ := Decode[Send](a.Proof.Send.Body, MaxMessageBytes)
				p.Send = &s
			}
		}
		v.Proofs = append(v.Proofs, p)
	}
	return v
}

func (t *Transition) close(c Closing) {
	blob := Sum(Encode(c))
	t.Closings = append(t.Closings, verifiedClosing(c))
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
	for _, a := range inherited {
		if a.Proof != nil {
			t.Errorf("the next epoch remembers the proof of %s", a.Manifest.Short())
		}
	}
	tr.close(testClosing(tr.Old, tr.Old.Custodians[3]))
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
		"no random bytes":            {func(tr *Transition) { tr.Closings[2].Random = Digest{} }, "no random bytes"},
		"an epoch before the first":  {func(tr *Transition) { tr.Closings[2].Before = tr.Closings[1].Answered }, "an epoch before the first"},
		"a proof that was not read":  {func(tr *Transition) { tr.Closings[1].Proofs = nil }, "0 proofs were verified for 1 answers"},
		"one names it, unproved":     {func(tr *Transition) { noProofs(tr) }, "without a proof, and so do too few others"},
		"t−1 were ready":             {func(tr *Transition) { p := proof(tr); p.Readies = p.Readies[1:] }, "2 readies: 3 must be ready"},
		"one was ready twice":        {func(tr *Transition) { p := proof(tr); p.Readies[1] = p.Readies[0] }, "repeated or out of order"},
		"a stranger was ready":       {func(tr *Transition) { proof(tr).Readies[2].Custodian = "h-zzzzzzzzzzzzzzzz" }, "no custodian"},
		"one complained":             {func(tr *Transition) { proof(tr).Readies[2].Unreadable = tr.Old.Custodians[:1] }, "or a complaint"},
		"ready for another":          {func(tr *Transition) { proof(tr).Readies[2].Candidate = Sum(nil) }, "is for candidate"},
		"ready under another":        {func(tr *Transition) { proof(tr).Readies[2].Manifest = Sum(nil) }, "is for candidate"},
		"ready on another question":  {func(tr *Transition) { proof(tr).Readies[2].Asks = Sum(nil) }, "for other questions or another set"},
		"another's send":             {func(tr *Transition) { proof(tr).Send.Custodian = tr.Old.Custodians[1] }, "send of "},
		"a send for another":         {func(tr *Transition) { proof(tr).Send.Candidate = Sum(nil) }, "send of "},
		"another question is named":  {func(tr *Transition) { named(tr).Questions = []string{"train/z"} }, "for other questions or another set"},
		"another set is named":       {func(tr *Transition) { named(tr).Set = Sum(nil) }, "for other questions or another set"},
	} {
		tr := testTransition(t)
		for i := range tr.Closings {
			blob := tr.Closings[i].Blob
			tr.Closings[i] = verifiedClosing(clone(t, tr.Closings[i].Closing))
			tr.Closings[i].Blob = blob
		}
		c.change(&tr)
		_, err := CheckTransition(tr, nil)
		if !errors.Is(err, ErrTransition) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// named is the answer that one statement names with a proof, as proof is its proof.
func named(tr *Transition) *Answered {
	answered := tr.Closings[0].Answered
	return &answered[slices.IndexFunc(answered, func(a Answered) bool { return a.Proof != nil })]
}

func proof(tr *Transition) *VerifiedProof {
	return tr.Closings[0].Proofs[slices.IndexFunc(tr.Closings[0].Answered, func(a Answered) bool { return a.Proof != nil })]
}

func noProofs(tr *Transition) {
	for i, c := range tr.Closings {
		for j := range c.Answered {
			tr.Closings[i].Answered[j].Proof, tr.Closings[i].Proofs[j] = nil, nil
		}
	}
}

// TestNamingBlocksNothing: hostile custodians, f of them, name a question that t were never
// ready for. Without their statements the transition stands and the question is free.
func TestNamingBlocksNothing(t *testing.T) {
	c := testCharter(t, 4)
	after := clone(t, c)
	after.Epoch, after.Previous = 2, c.Digest()
	made := Answered{Manifest: Sum([]byte("M")), Candidate: Sum([]byte("C")), Questions: []string{"train/z"}, Set: SetDigest(c.Groups)}
	tr := Transition{Old: c, New: after}
	for _, id := range c.Custodians[:3] {
		tr.close(testClosing(c, id))
	}
	hostile := clone(t, tr)
	hostile.close(testClosing(c, c.Custodians[3], made))
	if _, err := CheckTransition(hostile, nil); !errors.Is(err, ErrClosing) || !strings.Contains(err.Error(), string(c.Custodians[3])) {
		t.Errorf("with a made-up answer: %v", err)
	}
	if inherited, err := CheckTransition(tr, nil); err != nil || len(inherited) > 0 {
		t.Errorf("without it: %v, %v", inherited, err)
	}
}

// TestEarlierEpochsStay: what the epoch began with is handed on, and is not proved again.
func TestEarlierEpochsStay(t *testing.T) {
	tr := testTransition(t)
	inherited, err := CheckTransition(tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	after := clone(t, tr.New)
	after.Epoch, after.Previous, after.Closings = 3, tr.New.Digest(), nil
	next := Transition{Old: tr.New, New: after}
	for _, id := range after.Custodians[:3] {
		c := testClosing(tr.New, id)
		c.Before = inherited
		next.close(c)
	}
	if got, err := CheckTransition(next, nil); err != nil || !equal(got, inherited) {
		t.Errorf("epoch 3 inherits %v, %v, want %v", got, err, inherited)
	}
	for name, change := range map[string]func(c *Closing){
		"one forgets an answer":   func(c *Closing) { c.Before = inherited[1:] },
		"one remembers otherwise": func(c *Closing) { c.Before[0].Set = Sum(nil) },
		"one proves an old one":   func(c *Closing) { c.Before[0].Proof = &Proof{} },
	} {
		bad := clone(t, next)
		change(&bad.Closings[2].Closing)
		if _, err := CheckTransition(bad, nil); !errors.Is(err, ErrClosing) {
			t.Errorf("%s: %v", name, err)
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

// TestClosersKnowEverySum takes every way in which custodians of one epoch can have sent
// and closed, m = 3, 4 and 5, and hostile ones can have lied about it. Whatever t
// custodians sent for, before or after the transition, the new epoch inherits it; and if
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
// custodians are hostile: they send, and close without saying so.
func lostSums(c Charter, hostile, quorum int) (lost, cases int) {
	m, honest := len(c.Custodians), len(c.Custodians)-hostile
	after := Charter{Epoch: 2}
	asked := Answered{Manifest: Sum([]byte("M")), Candidate: Sum([]byte("C")), Questions: []string{"train/a"}, Set: SetDigest(c.Groups)}
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
				statement := testClosing(c, id)
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
	f.Add(Encode(tr.New))
	f.Add(Encode(tr.New.Terms()))
	f.Add(Encode(tr.Closings[0].Closing))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeClosing(b); err == nil {
			again(t, b, c)
			err := CheckClosing(tr.Old, c)
			if err == nil {
				err = CheckProofs(tr.Old, verifiedClosing(c))
			}
			if err != nil && !errors.Is(err, ErrClosing) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
		if c, err := DecodeCharter(b); err == nil {
			again(t, b, c)
			if _, err := CheckTransition(Transition{Old: tr.Old, New: c, Closings: tr.Closings}, nil); err != nil && !errors.Is(err, ErrTransition) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
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
