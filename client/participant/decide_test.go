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

// candidate sums set n under w.m.
func (w world) candidate(n int) federation.Candidate { return candidateOf(w.m.Digest, w.set(n)...) }

// ready holds the share sums of set n.
func (w world) ready(t testing.TB, n int) State {
	t.Helper()
	return readyFor(t, w.s, w.m, w.candidate(n), nil)
}

// sent gave the share sums of set n.
func (w world) sent(t testing.TB, n int) State {
	t.Helper()
	s, err := send(w.s, w.m, w.candidate(n))
	return mustApply(t, s, nil, err)
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
	entries, err := BurnManifest(s, 1, manifest, 0)
	return mustApply(t, s, entries, err)
}

func restarted(t testing.TB, s State) State {
	t.Helper()
	return mustApply(t, s, Start(federation.Sum([]byte("another run"))), nil)
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
		"burn: not a custodian":          {func() ([]Entry, error) { return BurnManifest(outsider, 1, w.m.Digest, 1) }, ErrNotMember},
		"burn: sent":                     {func() ([]Entry, error) { return BurnManifest(w.sent(t, 0), 1, w.m.Digest, 1) }, ErrSent},
		"burn: again":                    {func() ([]Entry, error) { return BurnManifest(burned(t, w.s, w.m.Digest), 1, w.m.Digest, 1) }, nil},
		"burn: a join of nobody's":       {func() ([]Entry, error) { return BurnManifest(w.s, 1, submission, 2) }, ErrRecovered},
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
	first := w.candidate(0).Digest()
	for name, c := range map[string]struct {
		s State
		e Entry
	}{
		"unknown kind":          {w.s, Entry{V: 1, Kind: "strange"}},
		"checkpoint backwards":  {w.s, Entry{V: 1, Kind: Saw}},
		"checkpoint sideways":   {w.s, Entry{V: 1, Kind: Saw, Head: federation.TreeHead{Size: 1, Root: d}}},
		"join counter repeated": {w.s, Entry{V: 1, Kind: Joined, Counter: 1, Digest: d}},
		"submission of unknown": {w.s, Entry{V: 1, Kind: Submitted, Digest: d, Message: d}},
		"second submission":     {submitted, Entry{V: 1, Kind: Submitted, Digest: w.m.Digest, Message: w.m.Digest}},
		"ready of unknown":      {w.s, Entry{V: 1, Kind: BecameReady, Digest: d, Candidate: d, Set: d}},
		"ready for nothing":     {w.s, Entry{V: 1, Kind: BecameReady, Digest: w.m.Digest, Set: d}},
		"ready for no set":      {w.s, Entry{V: 1, Kind: BecameReady, Digest: w.m.Digest, Candidate: d}},
		"ready twice":           {w.ready(t, 0), Entry{V: 1, Kind: BecameReady, Digest: w.m.Digest, Candidate: first, Set: d}},
		"ready after a burn":    {burned(t, w.s, w.m.Digest), Entry{V: 1, Kind: BecameReady, Digest: w.m.Digest, Candidate: d, Set: d}},
		"ready after a send":    {w.sent(t, 0), Entry{V: 1, Kind: BecameReady, Digest: w.m.Digest, Candidate: d, Set: d}},
		"sent and not ready":    {w.s, Entry{V: 1, Kind: Sent, Digest: w.m.Digest, Candidate: first, Message: d}},
		"sent after a burn":     {burned(t, w.ready(t, 0), w.m.Digest), Entry{V: 1, Kind: Sent, Digest: w.m.Digest, Candidate: first, Message: d}},
		"sent twice":            {w.sent(t, 0), Entry{V: 1, Kind: Sent, Digest: w.m.Digest, Candidate: first, Message: d}},
		"sent without message":  {w.ready(t, 0), Entry{V: 1, Kind: Sent, Digest: w.m.Digest, Candidate: first}},
		"burn after a send":     {w.sent(t, 0), Entry{V: 1, Kind: Burned, Digest: w.m.Digest}},
		"failed and not sent":   {w.ready(t, 0), Entry{V: 1, Kind: Failed, Digest: w.m.Digest}},
		"recovered backwards":   {w.s, Entry{V: 1, Kind: Recovered}},
		"recalled after a send": {w.sent(t, 0), Entry{V: 1, Kind: Recalled, Digest: w.m.Digest, Message: d}},
		"recalled nothing":      {w.s, Entry{V: 1, Kind: Recalled, Digest: w.m.Digest}},
		"pinned to epoch 2":     {w.s, Entry{V: 1, Kind: Pinned, Digest: d, Epoch: 2}},
		"pinned to nothing":     {w.s, Entry{V: 1, Kind: Pinned, Epoch: 1}},
		"closed another epoch":  {w.s, Entry{V: 1, Kind: Closed, Digest: d, Message: d}},
		"closed with nothing":   {w.s, Entry{V: 1, Kind: Closed}},
		"inherited nothing":     {w.s, Entry{V: 1, Kind: Inherited, Epoch: 2}},
		"inherited into now":    {w.s, Entry{V: 1, Kind: Inherited, Answer: &federation.Answered{}}},
		"began the first epoch": {w.s, Entry{V: 1, Kind: Began, Digest: d, Epoch: 1}},
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
	do(BeReady(s, w.m, w.candidate(1), nil, shareSums))
	do(Start(federation.Sum([]byte("run 2"))), nil)
	do(SendFor(s, w.m.Digest, w.candidate(1).Digest(), federation.Sum([]byte("signed send"))))
	do(NoGroupHeld(s, w.m.Digest, w.candidate(1).Digest()))
	do(TakeBase(s, Base{Version: 2, Snapshot: w.m.Digest, Parameters: w.m.Digest}))
	do(BurnManifest(s, 7, federation.Sum([]byte("M7")), 0))
	do(Recover(s, 5, []Recall{{Manifest: federation.Sum([]byte("M5")), Round: 5, Questions: []string{"q"}, Message: w.m.Digest, Candidate: w.m.Digest, Set: w.m.Digest}}))
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
	sketch := federation.Sketch{3: -1.5}
	opens := federation.Opened{Manifest: d, Kind: federation.Evaluate, Part: federation.Part{Date: "admitted", Month: "2026-03"}, Set: [][]federation.HospitalID{{"h"}}, Sketch: &sketch}
	for _, e := range []Entry{
		{V: 1, Kind: Started, Digest: d}, {V: 1, Kind: Saw, Head: federation.TreeHead{Size: 3, Root: d}},
		{V: 1, Kind: Joined, Digest: d, Counter: 1, Questions: []string{"train/x"}, Base: Base{Version: 1, Snapshot: d, Parameters: d}, RoundKind: opens.Kind, Part: opens.Part},
		{V: 1, Kind: Verified, Digest: d, Round: 4, Certified: []federation.Digest{d}},
		{V: 1, Kind: BecameReady, Digest: d, Candidate: d, Set: d, ShareSums: []federation.Digest{d, {}}},
		{V: 1, Kind: Sent, Digest: d, Candidate: d, Message: d}, {V: 1, Kind: Failed, Digest: d}, {V: 1, Kind: Based, Base: Base{Version: 7, Snapshot: d, Parameters: d}},
		{V: 1, Kind: Recovered, Counter: 9}, {V: 1, Kind: Recalled, Digest: d, Round: 2, Questions: []string{"q"}, Message: d, Candidate: d, Set: d},
		{V: 1, Kind: Compacted, Digest: d, Epoch: 1, Counter: 3, Bases: []Base{{Version: 1, Snapshot: d, Parameters: d}}, Recovered: 2, Forgotten: 1, Follow: 1},
		{V: 1, Kind: Kept, Memory: &Memory{Manifest: d, Round: 1, Readies: []ReadyFor{{d, d, []federation.Digest{d}, &opens}}, Silent: true}},
		{V: 1, Kind: Kept, Opens: &opens}, {V: 1, Kind: Kept, Line: &Line{opens.Part, d, []federation.Digest{d}}}, {V: 1, Kind: Sketched, Digest: d, Sketch: &sketch},
		{V: 1, Kind: Burned, Digest: d}, {V: 2, Kind: Burned},
		{V: 1, Kind: Pinned, Digest: d, Epoch: 1}, {V: 1, Kind: Closed, Digest: d, Message: d}, {V: 1, Kind: Began, Digest: d, Epoch: 2},
		{V: 1, Kind: Inherited, Digest: d, Epoch: 2, Answer: &federation.Answered{Manifest: d, Candidate: d, Questions: []string{"train/x"}, Set: d}},
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
