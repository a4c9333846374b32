package participant

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
)

// wider is a candidate of four hospitals, around those of set 0 and set 1.
func (w world) wider() federation.Candidate {
	return candidateOf(w.m.Digest, w.s.Charter.Groups[0][:4]...)
}

// silent lost its journal after what s did.
func silent(t testing.TB, s State) State {
	t.Helper()
	entries, err := Recover(restarted(t, s), s.Counter, nil)
	return mustApply(t, s, entries, err)
}

func closed(t testing.TB, s State) State {
	t.Helper()
	s.Pinned, s.Epoch = s.Charter.Digest(), 1
	entries, err := CloseEpoch(s, federation.Sum([]byte("closing statement")))
	return mustApply(t, s, entries, err)
}

func TestOpenRefusals(t *testing.T) {
	w := newWorld(t)
	outsider, baseless, unknown := w.s, w.s, w.s
	outsider.Self = w.s.Charter.Groups[0][4] // a member, not a custodian
	baseless.Bases = []Base{{Version: 1, Snapshot: w.h.Base, Parameters: federation.Sum([]byte("others"))}}
	unknown.Memory = nil
	none := w.candidate(0)
	none.Sums = nil
	first, second, wide := w.candidate(0), w.candidate(1), w.wider()
	resent := candidateOf(w.m.Digest, w.set(0)...)
	resent.Groups[0][1].Submission = federation.Sum([]byte("other bytes"))
	for name, c := range map[string]struct {
		s      State
		list   federation.Candidate
		before *federation.Candidate
		want   error
	}{
		"not a custodian":          {outsider, first, nil, ErrNotMember},
		"closed":                   {closed(t, w.s), first, nil, ErrClosed},
		"restarted":                {restarted(t, w.s), first, nil, ErrRestarted},
		"restarted, ready before":  {restarted(t, w.ready(t, 0)), first, &first, ErrRestarted},
		"burned":                   {burned(t, w.s, w.m.Digest), first, nil, ErrBurned},
		"sent for the same":        {w.sent(t, 0), first, nil, ErrSent},
		"sent for another":         {w.sent(t, 0), second, nil, ErrSent},
		"lost its journal":         {silent(t, w.s), first, nil, ErrRestarted},
		"a base of nobody's":       {baseless, first, nil, ErrBase},
		"beside the one before":    {w.ready(t, 0), second, &first, ErrNotWithin},
		"around the one before":    {w.ready(t, 0), wide, &first, ErrNotWithin},
		"other bytes of one":       {w.ready(t, 0), resent, &first, ErrNotWithin},
		"the one before not shown": {w.ready(t, 0), first, nil, ErrNotWithin},
		"another shown for it":     {w.ready(t, 0), second, &wide, ErrNotWithin},
		"fewer than K":             {w.s, candidateOf(w.m.Digest, w.set(0)[:2]...), nil, federation.ErrCandidate},
		"no sum":                   {w.s, none, nil, federation.ErrCandidate},
		"S of another manifest":    {w.s, candidateOf(federation.Sum([]byte("M2")), w.set(0)...), nil, federation.ErrCandidate},
		"S with someone unknown":   {w.s, candidateOf(w.m.Digest, "h-aaaaaaaaaaaaaaaa", w.set(0)[1], w.set(0)[2]), nil, federation.ErrCandidate},
	} {
		t.Run(name, func(t *testing.T) {
			if err := MayOpen(c.s, w.m, c.list, c.before); !errors.Is(err, c.want) {
				t.Errorf("MayOpen: %v, want %v", err, c.want)
			}
			if entries, err := BeReady(c.s, w.m, c.list, c.before, shareSums); !errors.Is(err, c.want) || entries != nil {
				t.Errorf("BeReady: %v, %v, want %v", entries, err, c.want)
			}
		})
	}
	if err := MayOpen(w.s, w.m, first, nil); err != nil {
		t.Errorf("a good candidate: %v", err)
	}
	if entries, err := BeReady(unknown, w.m, first, nil, shareSums); !errors.Is(err, ErrRestarted) || entries != nil {
		t.Errorf("a manifest that the journal lacks: %v, %v", entries, err)
	}
	if entries, err := BeReady(w.s, w.m, first, nil, nil); err == nil || entries != nil {
		t.Errorf("no share sum: %v", entries)
	}
}

// TestReadyWithin: a custodian is ready for one candidate after another while each lies
// within the one before, and what it was ready for it may send, for one of them.
func TestReadyWithin(t *testing.T) {
	w := newWorld(t)
	wide, first, second := w.wider(), w.candidate(0), w.candidate(1)
	s := readyFor(t, w.s, w.m, wide, nil)
	s = readyFor(t, s, w.m, first, &wide)
	if s.Live.Candidate != first.Digest() {
		t.Errorf("ready for %s last, want %s", s.Live.Candidate.Short(), first.Digest().Short())
	}
	if entries, err := BeReady(s, w.m, first, &first, shareSums); err != nil || entries != nil {
		t.Errorf("ready for the same again: %v, %v", entries, err)
	}
	if _, err := BeReady(s, w.m, second, &first, shareSums); !errors.Is(err, ErrNotWithin) {
		t.Errorf("within the first, beside the second: %v", err)
	}
	for _, c := range []federation.Candidate{wide, first} {
		entries, err := SendFor(s, w.m.Digest, c.Digest(), federation.Sum([]byte("signed send")))
		sent := mustApply(t, s, entries, err)
		memory, _ := sent.Recall(w.m.Digest)
		if memory.Candidate != c.Digest() || memory.Set != federation.SetDigest(c.Set()) || len(memory.Readies) != 0 {
			t.Errorf("remembered %+v", memory)
		}
		for _, other := range []federation.Candidate{wide, first, second} {
			want := error(nil)
			if other.Digest() != c.Digest() {
				want = ErrSent
			}
			if entries, err := SendFor(sent, w.m.Digest, other.Digest(), federation.Sum([]byte("signed anew"))); !errors.Is(err, want) || entries != nil {
				t.Errorf("send again: %v, %v, want %v", entries, err, want)
			}
		}
	}
}

// TestManyCandidates: there is a bound on what a custodian holds for one manifest.
func TestManyCandidates(t *testing.T) {
	w := newWorld(t)
	before := w.candidate(0)
	s := w.ready(t, 0)
	for i := range MaxCandidates {
		next := w.candidate(0)
		next.Sums[0] = federation.Sum(fmt.Append(nil, i)) // the same hospitals, another C
		entries, err := BeReady(s, w.m, next, &before, shareSums)
		if i == MaxCandidates-1 {
			if !errors.Is(err, ErrTooMany) {
				t.Errorf("candidate %d: %v", i+2, err)
			}
			return
		}
		s, before = mustApply(t, s, entries, err), next
	}
}

func TestSendRefusals(t *testing.T) {
	w := newWorld(t)
	first, signed := w.candidate(0).Digest(), federation.Sum([]byte("signed send"))
	past, certified := w.ready(t, 0), w.ready(t, 0)
	past.Memory = slices.Clone(past.Memory)
	past.Memory[0].Past = true
	certified.Memory = slices.Clone(certified.Memory)
	certified.Memory[0].Certified = true
	// Ready under two manifests of one question, sent under the second.
	both, m2, err := joinAndAccept(t, w.ready(t, 0), testHeader(w.s.Charter, testPlan(), 2), "M2", nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err = send(both, m2, candidateOf(m2.Digest, w.set(0)...))
	both = mustApply(t, both, nil, err)
	for name, c := range map[string]struct {
		s         State
		candidate federation.Digest
		want      error
	}{
		"not ready":                   {w.s, first, ErrNotReady},
		"ready for another":           {w.ready(t, 1), first, ErrNotReady},
		"sent for another":            {w.sent(t, 1), first, ErrSent},
		"burned":                      {burned(t, w.ready(t, 0), w.m.Digest), first, ErrNotReady},
		"lost its journal":            {silent(t, w.ready(t, 0)), first, ErrRecovered},
		"closed":                      {closed(t, w.ready(t, 0)), first, ErrClosed},
		"of an earlier epoch":         {past, first, ErrEpoch},
		"sent under another manifest": {both, first, ErrAnswered},
		"ready":                       {w.ready(t, 0), first, nil},
		"ready, restarted":            {restarted(t, w.ready(t, 0)), first, nil},
		"ready, and others burned it": {certified, first, nil},
		"sent, restarted":             {restarted(t, w.sent(t, 0)), first, nil},
		"sent, and closed":            {closed(t, w.sent(t, 0)), first, nil},
	} {
		entries, err := SendFor(c.s, w.m.Digest, c.candidate, signed)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || err != nil && entries != nil {
			t.Errorf("%s: %v, %v, want %v", name, entries, err, c.want)
		}
		if err := MaySend(c.s, w.m.Digest, c.candidate); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: MaySend: %v, want %v", name, err, c.want)
		}
	}
}

// TestReadySurvivesARestart: what is on the disk is sent after a restart, and nothing new
// is readied.
func TestReadySurvivesARestart(t *testing.T) {
	w := newWorld(t)
	first := w.candidate(0)
	s := restarted(t, w.ready(t, 0))
	if err := MayOpen(s, w.m, first, &first); !errors.Is(err, ErrRestarted) {
		t.Errorf("ready anew: %v", err)
	}
	memory, _ := s.Recall(w.m.Digest)
	held, ok := memory.Ready(first.Digest())
	if !ok || !slices.Equal(held.ShareSums, shareSums) {
		t.Errorf("held after a restart: %+v", held)
	}
	entries, err := SendFor(s, w.m.Digest, first.Digest(), federation.Sum([]byte("signed send")))
	s = mustApply(t, s, entries, err)
	if memory, _ := s.Recall(w.m.Digest); !memory.HasSent() {
		t.Error("nothing was sent")
	}
}

// TestAnsweredOnce: after a send the same question is answered under no other manifest, not
// even for the same hospitals, unless a certificate shows that the first cannot be opened,
// or no group of it held, then for the same hospitals.
func TestAnsweredOnce(t *testing.T) {
	w := newWorld(t)
	first := w.sent(t, 0)
	entries, err := NoGroupHeld(first, w.m.Digest, w.candidate(0).Digest())
	failed := mustApply(t, first, entries, err)
	for _, c := range []struct {
		name      string
		before    State
		header    func(*federation.Header)
		certified bool
		set       int
		want      error
	}{
		{"same set again", first, nil, false, 0, ErrAnswered},
		{"same set after a restart", restarted(t, first), nil, false, 0, ErrAnswered},
		{"another set", first, nil, false, 1, ErrAnswered},
		{"another set after a restart", restarted(t, first), nil, false, 1, ErrAnswered},
		{"another set with a certificate", first, nil, true, 1, nil},
		{"same set with a certificate", first, nil, true, 0, nil},
		{"same set where no group held", failed, nil, false, 0, nil},
		{"same set where no group held, after a restart", restarted(t, failed), nil, false, 0, nil},
		{"another set where no group held", failed, nil, false, 1, ErrAnswered},
		{"after the journal was lost", silent(t, w.ready(t, 0)), nil, false, 0, ErrAnswered},
		{"after the journal was lost, with a certificate", silent(t, w.ready(t, 0)), nil, true, 1, nil},
		{"another question", first, func(h *federation.Header) {
			h.Parameters = federation.Sum([]byte("other parameters"))
			h.Questions = testPlan().Questions(h.Kind, h.Parameters)
		}, false, 1, nil},
		{"after a manifest that it was ready under", w.ready(t, 0), nil, false, 1, nil},
		{"after a manifest that it knew", w.s, nil, false, 1, nil},
		{"after a manifest that was burned", burned(t, w.s, w.m.Digest), nil, false, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := testHeader(w.s.Charter, testPlan(), 2)
			if c.header != nil {
				c.header(&h)
			}
			s, m, err := joinAndAccept(t, c.before, h, "M2", func(m *federation.VerifiedManifest) {
				if c.certified {
					certify(w.s.Charter, m, w.m.Digest)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := send(s, m, candidateOf(m.Digest, w.set(c.set)...)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestNoGroupHeld: a verdict counts only on the candidate that was sent for, and once.
func TestNoGroupHeld(t *testing.T) {
	w := newWorld(t)
	first := w.candidate(0).Digest()
	failed, err := NoGroupHeld(w.sent(t, 0), w.m.Digest, first)
	if err != nil || len(failed) != 1 {
		t.Fatalf("%v, %v", failed, err)
	}
	for name, s := range map[string]State{
		"not sent": w.ready(t, 0), "sent for another": w.sent(t, 1), "known before": mustApply(t, w.sent(t, 0), failed, nil), "unknown": {},
	} {
		if entries, err := NoGroupHeld(s, w.m.Digest, first); err != nil || entries != nil {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
}

// TestTakeBase: the newest versions are known, and that there was none before the first.
func TestTakeBase(t *testing.T) {
	var s State
	version := func(n byte) Base {
		return Base{Version: uint64(n), Snapshot: federation.Digest{n}, Parameters: federation.Digest{n}}
	}
	if !s.HasBase(Base{}) || s.HasBase(version(1)) {
		t.Error("version 0 is any hospital's, version 1 is not")
	}
	for n := byte(1); n <= 4; n++ {
		entries, err := TakeBase(s, version(n))
		s = mustApply(t, s, entries, err)
		if entries, err := TakeBase(s, version(n)); err != nil || entries != nil {
			t.Errorf("version %d again: %v, %v", n, entries, err)
		}
		for k := byte(1); k <= 4; k++ {
			if got, want := s.HasBase(version(k)), k <= n && k+2 >= n; got != want {
				t.Errorf("after version %d, version %d is a base: %v", n, k, got)
			}
		}
	}
	for n := byte(20); n > 16; n-- { // older ones take the place of others, never of the newest
		entries, err := TakeBase(s, version(n))
		s = mustApply(t, s, entries, err)
		if s.Newest() != version(20) || !s.HasBase(version(n)) {
			t.Errorf("after version %d the newest is %d", n, s.Newest().Version)
		}
	}
	forged := version(20)
	forged.Parameters = federation.Sum([]byte("of another"))
	if s.HasBase(forged) {
		t.Error("another version 20 is a base")
	}
}

// TestDifferences: what could be put together from several sums of one question is refused at
// the second one: S without a hospital, two disjoint sets, their union with one more, the
// same S under another plan, and the same by statistics over other features.
func TestDifferences(t *testing.T) {
	c := testCharter(7, 5, 4, 1)
	ids := c.Groups[0]
	age, both := testPlan(), testPlan()
	both.Features = append(both.Features, federation.Feature{Name: "sex", Min: 0, Max: 1, Missing: federation.MissingMean})
	other := testPlan()
	other.Name, other.Privacy.Bits, other.Privacy.WeightCap = "other", 24, 7
	statistics := func(p federation.Plan, round uint64) federation.Header {
		h := testHeader(c, p, round)
		h.Kind, h.Version, h.Newest, h.Base, h.Parameters, h.Format = federation.Statistics, 0, 0, federation.Digest{}, federation.Digest{}, p.Format(federation.Statistics)
		h.Questions = p.Questions(h.Kind, h.Parameters)
		h.Ring = federation.Ring{Count: h.Format.Count(), Bits: h.Format.Bits, GroupSize: c.LargestGroup()}
		return h
	}
	version := testHeader(c, age, 2)
	version.Version, version.Newest, version.Base = 7, 7, federation.Sum([]byte("the same parameters in another snapshot"))
	next := testHeader(c, age, 2)
	next.Parameters = federation.Sum([]byte("the next parameters"))
	next.Questions = age.Questions(next.Kind, next.Parameters)
	type sets = [2][]federation.HospitalID
	for name, x := range map[string]struct {
		plans         [2]federation.Plan
		first, second federation.Header
		sets          sets
		want          error
	}{
		"S, then S without one":               {[2]federation.Plan{age, age}, testHeader(c, age, 1), testHeader(c, age, 2), sets{ids, ids[1:]}, ErrAnswered},
		"S, then S":                           {[2]federation.Plan{age, age}, testHeader(c, age, 1), testHeader(c, age, 2), sets{ids, ids}, ErrAnswered},
		"A, then B apart from it":             {[2]federation.Plan{age, age}, testHeader(c, age, 1), testHeader(c, age, 2), sets{ids[:3], ids[3:6]}, ErrAnswered},
		"A, then all of A and B and one":      {[2]federation.Plan{age, age}, testHeader(c, age, 1), testHeader(c, age, 2), sets{ids[:3], ids}, ErrAnswered},
		"on a version with these parameters":  {[2]federation.Plan{age, age}, testHeader(c, age, 1), version, sets{ids, ids[1:]}, ErrAnswered},
		"S under another plan and weight cap": {[2]federation.Plan{age, other}, testHeader(c, age, 1), testHeader(c, other, 2), sets{ids, ids}, ErrAnswered},
		"statistics of age, then age and sex": {[2]federation.Plan{age, both}, statistics(age, 1), statistics(both, 2), sets{ids, ids[1:]}, ErrAnswered},
		"statistics of both, then age":        {[2]federation.Plan{both, age}, statistics(both, 1), statistics(age, 2), sets{ids, ids[1:]}, ErrAnswered},
		"the same S of both":                  {[2]federation.Plan{age, both}, statistics(age, 1), statistics(both, 2), sets{ids, ids}, ErrAnswered},
		"on the next parameters":              {[2]federation.Plan{age, age}, testHeader(c, age, 1), next, sets{ids, ids[1:]}, nil},
	} {
		s := mustApply(t, State{Self: c.Custodians[0], Charter: c}, Start(federation.Sum([]byte("run 1"))), nil)
		seen, err := See(s, federation.TreeHead{Size: 1})
		s = mustApply(t, s, seen, err)
		for i, h := range []federation.Header{x.first, x.second} {
			entries, err := JoinHeader(s, x.plans[i], h)
			s = mustApply(t, s, entries, err)
			entries, err = TakeBase(s, s.Live.Base)
			s = mustApply(t, s, entries, err)
			m := testManifest(c, h, federation.Join{V: 1, Header: h.Digest(), Hospital: s.Self, Counter: s.Counter, Incarnation: s.Live.Incarnation}, fmt.Sprint(name, i))
			entries, err = AcceptManifest(s, x.plans[i], h, m, nil)
			s = mustApply(t, s, entries, err)
			after, err := send(s, m, candidateOf(m.Digest, x.sets[i]...))
			if want := []error{nil, x.want}[i]; !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("%s: send %d: %v, want %v", name, i+1, err, want)
			}
			s = after
		}
	}
}

// TestDecideChangesNothing: no refusal and no decision touches the state.
func TestDecideChangesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.candidate(0)
	for name, s := range map[string]State{"verified": w.s, "ready": w.ready(t, 0), "sent": w.sent(t, 0), "silent": silent(t, w.ready(t, 0))} {
		before := mustApply(t, s, nil, nil)
		before.Memory = slices.Clone(s.Memory)
		for i := range before.Memory {
			before.Memory[i].Readies = slices.Clone(s.Memory[i].Readies)
		}
		BeReady(s, w.m, first, &first, shareSums)
		SendFor(s, w.m.Digest, first.Digest(), first.Digest())
		BurnManifest(s, 1, w.m.Digest, 1)
		NoGroupHeld(s, w.m.Digest, first.Digest())
		TakeBase(s, Base{Version: 9, Snapshot: first.Digest(), Parameters: first.Digest()})
		Recover(s, 9, nil)
		if diff := cmp.Diff(before, s); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
