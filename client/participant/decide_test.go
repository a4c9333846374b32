package participant

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
)

// world is one hospital in a round that it joined and whose manifest it verified.
type world struct {
	s State
	h federation.Header
	m federation.VerifiedManifest
}

func newWorld(t testing.TB) world {
	c := testCharter(5, 4, 3, 1)
	s := State{Self: c.Custodians[0], Charter: c}
	s = mustApply(t, s, Start(federation.Sum([]byte("run 1"))), nil)
	seen, err := See(s, federation.TreeHead{Size: 1})
	s = mustApply(t, s, seen, err)
	h := testHeader(c, testPlan(), 1)
	s, m, err := joinAndAccept(t, s, h, "M1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return world{s, h, m}
}

func (w world) set(n int) []federation.HospitalID { return w.s.Charter.Groups[0][n : n+3] }

// answer answers S = set n under m.
func (w world) answer(t testing.TB, n int) State {
	t.Helper()
	entries, err := AnswerWith(w.s, w.m, submittersOf(w.m.Digest, w.set(n)...), federation.Sum([]byte("answer")))
	return mustApply(t, w.s, entries, err)
}

func TestManifestRefusals(t *testing.T) {
	w := newWorld(t)
	other := testHeader(w.s.Charter, testPlan(), 9)
	for name, c := range map[string]struct {
		change func(*State, *federation.VerifiedManifest)
		want   error
	}{
		"another header": {func(s *State, m *federation.VerifiedManifest) { m.Header = other.Digest() }, ErrNotJoined},
		"nothing joined": {func(s *State, m *federation.VerifiedManifest) {
			s.Live.Header, m.Header = federation.Digest{}, federation.Digest{}
		}, ErrNotJoined},
		"our join is missing":      {func(s *State, m *federation.VerifiedManifest) { s.Self = "h-aaaaaaaaaaaaaaaa" }, ErrNotOurs},
		"our join of another run":  {func(s *State, m *federation.VerifiedManifest) { s.Live.Incarnation = federation.Sum([]byte("run 2")) }, ErrNotOurs},
		"our join before the last": {func(s *State, m *federation.VerifiedManifest) { s.Counter++ }, ErrNotOurs},
		"a join of another header": {func(s *State, m *federation.VerifiedManifest) { m.Joins[4].Header = other.Digest() }, federation.ErrManifest},
		"a short certificate": {func(s *State, m *federation.VerifiedManifest) {
			certify(s.Charter, m, federation.Sum([]byte("M0")))
			m.Burns[0] = m.Burns[0][1:]
		}, federation.ErrCertificate},
		"a second manifest": {func(s *State, m *federation.VerifiedManifest) { m.Digest = federation.Sum([]byte("M2")) }, ErrConflict},
		"a burned manifest": {func(s *State, m *federation.VerifiedManifest) { *s = burned(t, *s, m.Digest) }, ErrBurned},
	} {
		t.Run(name, func(t *testing.T) {
			s, m := w.s, w.m
			m.Joins = append([]federation.VerifiedJoin(nil), m.Joins...)
			c.change(&s, &m)
			if entries, err := AcceptManifest(s, testPlan(), w.h, m, nil); !errors.Is(err, c.want) || entries != nil {
				t.Errorf("got %v, %v, want %v", entries, err, c.want)
			}
		})
	}
	if entries, err := AcceptManifest(w.s, testPlan(), w.h, w.m, nil); err != nil || entries != nil {
		t.Errorf("the same manifest again: %v, %v, want nothing", entries, err)
	}
}

func burned(t testing.TB, s State, manifest federation.Digest) State {
	t.Helper()
	entries, err := BurnManifest(s, 1, manifest)
	return mustApply(t, s, entries, err)
}

func restarted(t testing.TB, s State) State {
	t.Helper()
	return mustApply(t, s, Start(federation.Sum([]byte("another run"))), nil)
}

func TestOpenRefusals(t *testing.T) {
	w := newWorld(t)
	outsider := w.s
	outsider.Self = w.s.Charter.Groups[0][4] // a member, not a custodian
	two := submittersOf(w.m.Digest, w.set(0)[:2]...)
	for name, c := range map[string]struct {
		s    State
		list federation.Candidate
		want error
	}{
		"not a custodian":        {outsider, submittersOf(w.m.Digest, w.set(0)...), ErrNotMember},
		"restarted":              {restarted(t, w.s), submittersOf(w.m.Digest, w.set(0)...), ErrRestarted},
		"burned":                 {burned(t, w.s, w.m.Digest), submittersOf(w.m.Digest, w.set(0)...), ErrBurned},
		"answered the same":      {w.answer(t, 0), submittersOf(w.m.Digest, w.set(0)...), ErrAnswered},
		"answered another":       {w.answer(t, 0), submittersOf(w.m.Digest, w.set(1)...), ErrAnswered},
		"fewer than K":           {w.s, two, federation.ErrCandidate},
		"S of another manifest":  {w.s, submittersOf(federation.Sum([]byte("M2")), w.set(0)...), federation.ErrCandidate},
		"S with someone unknown": {w.s, submittersOf(w.m.Digest, "h-aaaaaaaaaaaaaaaa", w.set(0)[1], w.set(0)[2]), federation.ErrCandidate},
	} {
		t.Run(name, func(t *testing.T) {
			if err := MayOpen(c.s, w.m, c.list); !errors.Is(err, c.want) {
				t.Errorf("MayOpen: %v, want %v", err, c.want)
			}
			if entries, err := AnswerWith(c.s, w.m, c.list, federation.Sum([]byte("answer"))); !errors.Is(err, c.want) || entries != nil {
				t.Errorf("AnswerWith: %v, %v, want %v", entries, err, c.want)
			}
		})
	}
	if err := MayOpen(w.s, w.m, submittersOf(w.m.Digest, w.set(0)...)); err != nil {
		t.Errorf("a good S: %v", err)
	}
}

// TestAnotherSet: after an answer the same question is answered for the same hospitals
// only, in whatever round, unless a certificate shows that the first cannot be opened.
func TestAnotherSet(t *testing.T) {
	w := newWorld(t)
	first := w.answer(t, 0)
	for _, c := range []struct {
		name      string
		before    State
		header    func(*federation.Header)
		certified bool
		set       int
		want      error
	}{
		{"same set again", first, nil, false, 0, nil},
		{"another set", first, nil, false, 1, ErrOtherAnswer},
		{"another set after a restart", restarted(t, first), nil, false, 1, ErrOtherAnswer},
		{"another set with a certificate", first, nil, true, 1, nil},
		{"another set on another question", first, func(h *federation.Header) {
			h.Parameters = federation.Sum([]byte("other parameters"))
			h.Questions = testPlan().Questions(h.Kind, h.Parameters)
		}, false, 1, nil},
		{"first answer after a manifest that was not answered", w.s, nil, false, 1, nil},
		{"first answer after a manifest that was burned", burned(t, w.s, w.m.Digest), nil, false, 1, nil},
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
			_, err = AnswerWith(s, m, submittersOf(m.Digest, w.set(c.set)...), federation.Sum([]byte("answer 2")))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestJoinSeeSubmitBurnRefusals(t *testing.T) {
	w := newWorld(t)
	submission := federation.Sum([]byte("submission"))
	entries, err := Submit(w.s, w.m.Digest, submission)
	submitted := mustApply(t, w.s, entries, err)
	ahead, wrong := testHeader(w.s.Charter, testPlan(), 2), testHeader(w.s.Charter, testPlan(), 2)
	ahead.Checkpoint.Size, wrong.Threshold = 99, 1
	outsider := w.s
	outsider.Self = w.s.Charter.Groups[0][4]
	for name, c := range map[string]struct {
		do   func() ([]Entry, error)
		want error
	}{
		"join: checkpoint not verified":  {func() ([]Entry, error) { return JoinHeader(w.s, testPlan(), ahead) }, ErrRollback},
		"join: header against charter":   {func() ([]Entry, error) { return JoinHeader(w.s, testPlan(), wrong) }, federation.ErrHeader},
		"see: same size, other root":     {func() ([]Entry, error) { return See(w.s, federation.TreeHead{Size: 1, Root: submission}) }, ErrRollback},
		"see: older":                     {func() ([]Entry, error) { return See(w.s, federation.TreeHead{}) }, nil},
		"see: the same":                  {func() ([]Entry, error) { return See(w.s, w.s.Seen) }, nil},
		"submit: unknown manifest":       {func() ([]Entry, error) { return Submit(w.s, submission, submission) }, ErrRestarted},
		"submit: after a restart":        {func() ([]Entry, error) { return Submit(restarted(t, w.s), w.m.Digest, submission) }, ErrRestarted},
		"submit: no submission":          {func() ([]Entry, error) { return Submit(w.s, w.m.Digest, federation.Digest{}) }, ErrRestarted},
		"submit: other bytes":            {func() ([]Entry, error) { return Submit(submitted, w.m.Digest, w.m.Digest) }, ErrConflict},
		"submit: same bytes":             {func() ([]Entry, error) { return Submit(submitted, w.m.Digest, submission) }, nil},
		"submit: same bytes after start": {func() ([]Entry, error) { return Submit(restarted(t, submitted), w.m.Digest, submission) }, nil},
		"burn: not a custodian":          {func() ([]Entry, error) { return BurnManifest(outsider, 1, w.m.Digest) }, ErrNotMember},
		"burn: answered":                 {func() ([]Entry, error) { return BurnManifest(w.answer(t, 0), 1, w.m.Digest) }, ErrAnswered},
		"burn: again":                    {func() ([]Entry, error) { return BurnManifest(burned(t, w.s, w.m.Digest), 1, w.m.Digest) }, nil},
	} {
		if entries, err := c.do(); !errors.Is(err, c.want) || (c.want == nil && err != nil) || entries != nil {
			t.Errorf("%s: got %v, %v, want %v and no entry", name, entries, err, c.want)
		}
	}
}

// TestJournalRefusals: Apply takes no entry that the machine would not have written.
func TestJournalRefusals(t *testing.T) {
	w := newWorld(t)
	d := federation.Sum([]byte("message"))
	entries, err := Submit(w.s, w.m.Digest, d)
	submitted := mustApply(t, w.s, entries, err)
	for name, c := range map[string]struct {
		s State
		e Entry
	}{
		"unknown kind":           {w.s, Entry{V: 1, Kind: "strange"}},
		"checkpoint backwards":   {w.s, Entry{V: 1, Kind: Saw}},
		"checkpoint sideways":    {w.s, Entry{V: 1, Kind: Saw, Head: federation.TreeHead{Size: 1, Root: d}}},
		"join counter repeated":  {w.s, Entry{V: 1, Kind: Joined, Counter: 1, Digest: d}},
		"submission of unknown":  {w.s, Entry{V: 1, Kind: Submitted, Digest: d, Message: d}},
		"second submission":      {submitted, Entry{V: 1, Kind: Submitted, Digest: w.m.Digest, Message: w.m.Digest}},
		"answer after a burn":    {burned(t, w.s, w.m.Digest), Entry{V: 1, Kind: Answered, Digest: w.m.Digest, Message: d}},
		"second answer":          {w.answer(t, 0), Entry{V: 1, Kind: Answered, Digest: w.m.Digest, Message: d}},
		"burn after an answer":   {w.answer(t, 0), Entry{V: 1, Kind: Burned, Digest: w.m.Digest}},
		"answer without message": {w.s, Entry{V: 1, Kind: Answered, Digest: w.m.Digest}},
		"pinned to epoch 2":      {w.s, Entry{V: 1, Kind: Pinned, Digest: d, Epoch: 2}},
		"pinned to nothing":      {w.s, Entry{V: 1, Kind: Pinned, Epoch: 1}},
		"closed another epoch":   {w.s, Entry{V: 1, Kind: Closed, Digest: d, Message: d}},
		"closed with nothing":    {w.s, Entry{V: 1, Kind: Closed}},
		"inherited nothing":      {w.s, Entry{V: 1, Kind: Inherited, Epoch: 2}},
		"inherited into now":     {w.s, Entry{V: 1, Kind: Inherited, Answer: &federation.Answered{}}},
		"began the first epoch":  {w.s, Entry{V: 1, Kind: Began, Digest: d, Epoch: 1}},
	} {
		before := federation.Encode(c.s.Memory)
		s, err := Apply(c.s, c.e)
		if !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v, want %v", name, err, ErrEntry)
		}
		if diff := cmp.Diff(c.s, s); diff != "" || !bytes.Equal(before, federation.Encode(c.s.Memory)) {
			t.Errorf("%s: the state changed: %s", name, diff)
		}
	}
}

// TestReplay: a journal that was written and read again gives the same state, and no
// Apply changes the state that it was given.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	s := w.s
	var journal []Entry
	do := func(entries []Entry, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			before := federation.Encode(s)
			old := s
			s = mustApply(t, s, []Entry{e}, nil)
			if !bytes.Equal(before, federation.Encode(old)) {
				t.Errorf("apply %s changed its input", e.Kind)
			}
		}
		journal = append(journal, entries...)
	}
	do(Submit(s, w.m.Digest, federation.Sum([]byte("submission"))))
	do(AnswerWith(s, w.m, submittersOf(w.m.Digest, w.set(1)...), federation.Sum([]byte("answer"))))
	do(BurnManifest(s, 7, federation.Sum([]byte("M7"))))
	do(Start(federation.Sum([]byte("run 2"))), nil)
	replayed := w.s
	for _, e := range journal {
		read, err := DecodeEntry(federation.Encode(e))
		replayed = mustApply(t, replayed, []Entry{read}, err)
	}
	if diff := cmp.Diff(s, replayed); diff != "" {
		t.Errorf("replay differs (-live +replayed):\n%s", diff)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	d := federation.Sum([]byte("x"))
	for _, e := range []Entry{
		{V: 1, Kind: Started, Digest: d}, {V: 1, Kind: Saw, Head: federation.TreeHead{Size: 3, Root: d}},
		{V: 1, Kind: Joined, Digest: d, Counter: 1, Questions: []string{"train/x"}},
		{V: 1, Kind: Verified, Digest: d, Round: 4, Certified: []federation.Digest{d}},
		{V: 1, Kind: Answered, Digest: d, Message: d, Submitters: d, Set: [][]federation.HospitalID{{"h-a"}, {}}},
		{V: 1, Kind: Burned, Digest: d}, {V: 2, Kind: Burned},
		{V: 1, Kind: Pinned, Digest: d, Epoch: 1}, {V: 1, Kind: Closed, Digest: d, Message: d}, {V: 1, Kind: Began, Digest: d, Epoch: 2},
		{V: 1, Kind: Inherited, Digest: d, Epoch: 2, Answer: &federation.Answered{Manifest: d, Questions: []string{"train/x"}, Set: d, Released: d}},
	} {
		f.Add(federation.Encode(e))
	}
	f.Add([]byte(`{"v":1,"kind":"burned","Digest":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		if again := federation.Encode(e); !bytes.Equal(b, again) {
			t.Errorf("%s re-encodes to %s", b, again)
		}
		if _, err := Apply(State{}, e); err != nil && !errors.Is(err, ErrEntry) {
			t.Errorf("apply %s: %v", b, err)
		}
	})
}

// TestDifferences: what can be put together from several sums of one question is refused
// at the second one: S without a hospital, two disjoint sets, their union with one more,
// and the same by statistics over other features.
func TestDifferences(t *testing.T) {
	c := testCharter(7, 5, 4, 1)
	ids := c.Groups[0]
	age, both := testPlan(), testPlan()
	both.Features = append(both.Features, federation.Feature{Name: "sex", Min: 0, Max: 1, Missing: federation.MissingMean})
	other := testPlan()
	other.Name, other.Privacy.Bits = "other", 24
	statistics := func(p federation.Plan, round uint64) federation.Header {
		h := testHeader(c, p, round)
		h.Kind, h.Version, h.Base, h.Parameters, h.Format = federation.Statistics, 0, federation.Digest{}, federation.Digest{}, p.Format(federation.Statistics)
		h.Questions = p.Questions(h.Kind, h.Parameters)
		h.Ring = federation.Ring{Count: h.Format.Count(), Bits: h.Format.Bits, GroupSize: c.LargestGroup()}
		return h
	}
	version := testHeader(c, testPlan(), 2)
	version.Version, version.Base = 7, federation.Sum([]byte("the same parameters in another snapshot"))
	for name, x := range map[string]struct {
		plans   [2]federation.Plan
		headers [2]federation.Header
		sets    [2][]federation.HospitalID
		want    error
	}{
		"S, then S without one":              {[2]federation.Plan{age, age}, [2]federation.Header{testHeader(c, age, 1), testHeader(c, age, 2)}, [2][]federation.HospitalID{ids, ids[1:]}, ErrOtherAnswer},
		"A, then B apart from it":            {[2]federation.Plan{age, age}, [2]federation.Header{testHeader(c, age, 1), testHeader(c, age, 2)}, [2][]federation.HospitalID{ids[:3], ids[3:6]}, ErrOtherAnswer},
		"A, then all of A and B and one":     {[2]federation.Plan{age, age}, [2]federation.Header{testHeader(c, age, 1), testHeader(c, age, 2)}, [2][]federation.HospitalID{ids[:3], ids}, ErrOtherAnswer},
		"on a version with these parameters": {[2]federation.Plan{age, age}, [2]federation.Header{testHeader(c, age, 1), version}, [2][]federation.HospitalID{ids, ids[1:]}, ErrOtherAnswer},
		"under another plan and format":      {[2]federation.Plan{age, other}, [2]federation.Header{testHeader(c, age, 1), testHeader(c, other, 2)}, [2][]federation.HospitalID{ids, ids[1:]}, ErrOtherAnswer},
		"statistics of age, then age and sex": {[2]federation.Plan{age, both}, [2]federation.Header{statistics(age, 1), statistics(both, 2)},
			[2][]federation.HospitalID{ids, ids[1:]}, ErrOtherAnswer},
		"statistics of both, then age": {[2]federation.Plan{both, age}, [2]federation.Header{statistics(both, 1), statistics(age, 2)},
			[2][]federation.HospitalID{ids, ids[1:]}, ErrOtherAnswer},
		"the same S of both": {[2]federation.Plan{age, both}, [2]federation.Header{statistics(age, 1), statistics(both, 2)},
			[2][]federation.HospitalID{ids, ids}, nil},
	} {
		s := mustApply(t, State{Self: c.Custodians[0], Charter: c}, Start(federation.Sum([]byte("run 1"))), nil)
		seen, err := See(s, federation.TreeHead{Size: 1})
		s = mustApply(t, s, seen, err)
		for i := range 2 {
			entries, err := JoinHeader(s, x.plans[i], x.headers[i])
			s = mustApply(t, s, entries, err)
			m := testManifest(c, x.headers[i], federation.Join{V: 1, Header: x.headers[i].Digest(), Hospital: s.Self, Counter: s.Counter, Incarnation: s.Live.Incarnation}, name+string(rune('0'+i)))
			entries, err = AcceptManifest(s, testPlan(), x.headers[i], m, nil)
			s = mustApply(t, s, entries, err)
			entries, err = AnswerWith(s, m, submittersOf(m.Digest, x.sets[i]...), federation.Sum([]byte("answer")))
			if i == 1 {
				if !errors.Is(err, x.want) {
					t.Errorf("%s: got %v, want %v", name, err, x.want)
				}
				continue
			}
			s = mustApply(t, s, entries, err)
		}
	}
}

// TestMaySubmit: an update is made under the manifest of this run, in its cohort.
func TestMaySubmit(t *testing.T) {
	w := newWorld(t)
	if err := MaySubmit(w.s, w.m); err != nil {
		t.Errorf("a member of the cohort: %v", err)
	}
	outside := w.m
	outside.Groups = [][]federation.HospitalID{w.s.Charter.Groups[0][1:]}
	if w.s.Self != w.s.Charter.Groups[0][0] {
		t.Fatal("the test takes the first of the group out")
	}
	for name, c := range map[string]struct {
		s    State
		m    federation.VerifiedManifest
		want error
	}{
		"outside the cohort": {w.s, outside, ErrNotMember},
		"after a restart":    {restarted(t, w.s), w.m, ErrRestarted},
		"after a burn":       {burned(t, w.s, w.m.Digest), w.m, ErrBurned},
	} {
		if err := MaySubmit(c.s, c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
