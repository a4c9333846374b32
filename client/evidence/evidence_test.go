package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

var update = flag.Bool("update", false, "write the golden file anew")

// world is a federation of four whose coordinator lies.
type world struct {
	t       testing.TB
	charter federation.Charter
	log     *roundlog.Log
	keys    map[federation.HospitalID]ed25519.PrivateKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, keys: map[federation.HospitalID]ed25519.PrivateKey{}}
	key, err := roundlog.GenerateKey("atrium/test", rand.Reader)
	w.must(err)
	var members []federation.Member
	for _, name := range []string{"alpha", "beta", "gamma", "delta"} {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		w.must(err)
		id := federation.NewHospitalID("test", public)
		w.keys[id] = private
		members = append(members, federation.Member{ID: id, Name: name, IdentityKey: public, TLSKey: federation.Sum([]byte(name))})
	}
	w.charter, err = federation.NewCharter("test", key.Verifier(), members, true)
	w.must(err)
	w.log, err = roundlog.Create(t.Context(), storagetest.NewMemory(), key)
	w.must(err)
	w.append(round.Entry{V: 1, Kind: round.Genesis, Blob: w.charter.Digest()})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) append(e round.Entry) ([]byte, int64) {
	w.t.Helper()
	e.V, e.Time = 1, "2026-03-01T08:00:00.000Z"
	index, err := w.log.Append(w.t.Context(), 0, time.Unix(0, 0), [][]byte{e.Encode()})
	w.must(err)
	return e.Encode(), index
}

func signed[T envelope.Message](w *world, m T) federation.Signed {
	return envelope.SignMessage(w.keys[m.From()], w.charter.Federation, m)
}

// about is a file about a round, with what its entry says, and what a custodian objects to.
func (w *world) about(entry func(federation.Candidate) round.Entry, differs func(round.Entry, federation.Header, federation.Candidate, opening.Result) []federation.Difference) File {
	w.t.Helper()
	h := federation.Header{V: 1, Federation: "test", Round: 7, Kind: federation.Train, Plan: federation.Sum([]byte("plan")), Version: 3,
		Base: federation.Sum([]byte("base")), Parameters: federation.Sum([]byte("values")), Charter: w.charter.Digest()}
	m := federation.Manifest{V: 1, Header: h.Digest(), Groups: w.charter.Groups, Joins: []federation.Signed{}, Certificates: []federation.BurnCertificate{}}
	c := federation.Candidate{V: 1, Manifest: m.Digest(), Groups: [][]federation.Submitter{{}}, Sums: []federation.Digest{federation.Sum([]byte("C"))}}
	for _, id := range w.charter.Groups[0] {
		c.Groups[0] = append(c.Groups[0], federation.Submitter{Hospital: id, Submission: federation.Sum([]byte(id))})
	}
	result := opening.Result{V: 1, Round: 7, Kind: federation.Train, Manifest: m.Digest(), Submitters: 4, Groups: []opening.GroupResult{{Submitters: 4}}}
	f := File{V: 1, Header: federation.Encode(h), Manifest: federation.Encode(m), Candidate: federation.Encode(c), Inclusion: []federation.Digest{}}
	e := entry(c)
	e.Round = 7
	for i, id := range w.charter.Custodians {
		head := federation.TreeHead{Size: 2}
		f.Vouches = append(f.Vouches, signed(w, federation.Vouch{V: 1, Manifest: m.Digest(), Candidate: c.Digest(), Hospital: id, Checkpoint: head, Fingerprint: []byte{byte(i)}}))
		f.Readies = append(f.Readies, signed(w, federation.Ready{V: 1, Manifest: m.Digest(), Candidate: c.Digest(), Custodian: id, Unreadable: []federation.HospitalID{}, Checkpoint: head}))
		f.Sends = append(f.Sends, signed(w, federation.Send{V: 1, Manifest: m.Digest(), Candidate: c.Digest(), Custodian: id, ShareSums: []federation.Digest{federation.Sum([]byte(id))}, Checkpoint: head}))
	}
	if e.Kind == round.Vouched {
		e.Blob = f.Vouches[3].Digest()
	}
	f.Entry, f.Index = w.append(e)
	decoded, err := round.DecodeEntry(f.Entry)
	w.must(err)
	w.append(round.Entry{Kind: round.Lead, Epoch: 9})
	note, err := w.log.CheckpointAt(w.t.Context(), w.log.Size())
	w.must(err)
	proof, err := w.log.Prove(w.t.Context(), f.Index, w.log.Size())
	w.must(err)
	for _, hash := range proof {
		f.Inclusion = append(f.Inclusion, federation.Digest(hash))
	}
	f.Checkpoint = string(note)
	if e.Kind == round.Publish {
		f.Result = federation.Encode(result)
	}
	f.Objection = signed(w, federation.Objection{V: 1, Custodian: w.charter.Custodians[1], Entry: federation.Sum(f.Entry), Candidate: c.Digest(),
		Differs: differs(decoded, h, c, result)})
	return f
}

// outcome is a file about a version that does not follow.
func (w *world) outcome() File {
	return w.about(func(federation.Candidate) round.Entry {
		return round.Entry{Kind: round.Publish, Blob: federation.Sum([]byte("other")), Version: 4, Snapshot: federation.Sum([]byte("X")), Parameters: federation.Sum([]byte("P"))}
	}, func(e round.Entry, _ federation.Header, _ federation.Candidate, r opening.Result) []federation.Difference {
		return Outcome(e, federation.Derived{Result: federation.Sum(federation.Encode(r)), Version: 4, Snapshot: federation.Sum([]byte("Z")), Parameters: federation.Sum([]byte("P"))}, r)
	})
}

func what(differs []federation.Difference) (list []string) {
	for _, d := range differs {
		list = append(list, d.What)
	}
	return list
}

// files has one of each kind.
func (w *world) files() map[string]File {
	named := func(c federation.Candidate) round.Entry { return round.Entry{Kind: round.Candidate, Blob: c.Digest()} }
	return map[string]File{
		"outcome": w.outcome(),
		"nothing": w.about(func(federation.Candidate) round.Entry {
			return round.Entry{Kind: round.Abandon, Failed: true, Reason: "nothing"}
		}, func(e round.Entry, _ federation.Header, _ federation.Candidate, _ opening.Result) []federation.Difference {
			return Outcome(e, federation.Derived{Version: 4, Snapshot: federation.Sum([]byte("Z"))}, opening.Result{})
		}),
		"base": w.about(named, func(_ round.Entry, h federation.Header, _ federation.Candidate, _ opening.Result) []federation.Difference {
			return OtherBase(h, federation.Sum([]byte("Z")), h.Parameters)
		}),
		"sum": w.about(named, func(_ round.Entry, _ federation.Header, c federation.Candidate, _ opening.Result) []federation.Difference {
			return OtherSum(c, 0, federation.Sum([]byte("Z")))
		}),
		"vouches": w.about(func(federation.Candidate) round.Entry { return round.Entry{Kind: round.Vouched} },
			func(_ round.Entry, _ federation.Header, c federation.Candidate, _ opening.Result) []federation.Difference {
				return OtherSum(c, 0, federation.Digest{})
			}),
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string][]string{"outcome": {Result, Snapshot, Groups}, "nothing": {Version, Snapshot},
		"base": {Base}, "sum": {SumOf(0)}, "vouches": {SumOf(0)}} {
		f, err := Decode(federation.Encode(w.files()[name]))
		w.must(err)
		found, err := Check(f, w.charter)
		if err != nil || !slices.Equal(what(found.Differs), want) || found.Name == "" || found.Round != 7 {
			t.Errorf("%s: %+v: %v", name, found, err)
		}
		text := strings.Join(found.Text(), "\n")
		for _, words := range []string{"signed that what follows is:", "It does not show who is right", found.Differs[0].Says, found.Differs[0].Follows} {
			if !strings.Contains(text, words) {
				t.Errorf("%s does not say %q:\n%s", name, words, text)
			}
		}
	}
}

// TestTampered: a file in which one thing was changed is refused, and the field is named.
func TestTampered(t *testing.T) {
	w := newWorld(t)
	good, other := w.outcome(), newWorld(t)
	resigned := func(change func(*federation.Objection)) func(*File) {
		return func(f *File) {
			o, err := envelope.OpenMessage[federation.Objection](w.charter, f.Objection)
			w.must(err)
			o.Differs = slices.Clone(o.Differs)
			change(&o)
			f.Objection = signed(w, o)
		}
	}
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		change func(*File)
		want   string
	}{
		"another log's checkpoint": {func(f *File) { f.Checkpoint = other.outcome().Checkpoint }, "checkpoint: "},
		"a checkpoint changed":     {func(f *File) { f.Checkpoint = strings.Replace(f.Checkpoint, "\n3\n", "\n2\n", 1) }, "checkpoint: "},
		"another index":            {func(f *File) { f.Index-- }, "entry: it is not entry 0"},
		"another entry":            {func(f *File) { f.Entry = flip(f.Entry) }, "entry: the objection is to entry"},
		"a proof changed":          {func(f *File) { f.Inclusion = f.Inclusion[:1] }, "entry: it is not entry 1"},
		"a long proof":             {func(f *File) { f.Inclusion = make([]federation.Digest, 65) }, "entry: inclusion proof of 65"},
		"a header changed":         {func(f *File) { f.Header = flip(f.Header) }, "header: "},
		"a manifest changed":       {func(f *File) { f.Manifest = flip(f.Manifest) }, "manifest: "},
		"a candidate changed":      {func(f *File) { f.Candidate = bytes.Replace(f.Candidate, []byte(`"sums":["`), []byte(`"sums":["00`), 1) }, "candidate: "},
		"a send changed":           {func(f *File) { f.Sends[2].Body = flip(f.Sends[2].Body) }, "sends: message 2"},
		"a send twice":             {func(f *File) { f.Sends[2] = f.Sends[1] }, "sends: message 2"},
		"a ready changed":          {func(f *File) { f.Readies[0].Signature = flip(f.Readies[0].Signature) }, "readies: message 0"},
		"a vouch changed":          {func(f *File) { f.Vouches[3].Signer = f.Vouches[0].Signer }, "vouches: message 3"},
		"too few sends":            {func(f *File) { f.Sends = f.Sends[:2] }, "entry: a publish entry, with 2 sends"},
		"a result left out":        {func(f *File) { f.Result = nil }, "result: "},
		"another result": {func(f *File) {
			f.Result = bytes.Replace(f.Result, []byte(`"submitters":4`), []byte(`"submitters":3`), 1)
		}, "objection: result"},
		"an objection changed":      {func(f *File) { f.Objection.Body = flip(f.Objection.Body) }, "objection: "},
		"a stranger's objection":    {func(f *File) { f.Objection = other.outcome().Objection }, "objection: "},
		"no objection":              {resigned(func(o *federation.Objection) { o.Differs = nil }), "objection: 0 differences"},
		"of another candidate":      {resigned(func(o *federation.Objection) { o.Candidate[3] ^= 1 }), "candidate: "},
		"of another entry":          {resigned(func(o *federation.Objection) { o.Entry[3] ^= 1 }), "entry: the objection is to entry"},
		"what the log does not say": {resigned(func(o *federation.Objection) { o.Differs[1].Says = None }), "objection: snapshot"},
		"what does not differ":      {resigned(func(o *federation.Objection) { o.Differs[1].Follows = o.Differs[1].Says }), "objection: snapshot"},
		"of nothing there is":       {resigned(func(o *federation.Objection) { o.Differs[1].What = "weather" }), `objection: "weather"`},
		"one thing twice":           {resigned(func(o *federation.Objection) { o.Differs[1] = o.Differs[0] }), `objection: "result"`},
		"a base of a publication":   {resigned(func(o *federation.Objection) { o.Differs[1].What = Base }), `objection: "base"`},
	} {
		f := good
		f.Sends, f.Readies, f.Vouches = slices.Clone(f.Sends), slices.Clone(f.Readies), slices.Clone(f.Vouches)
		c.change(&f)
		if found, err := Check(f, w.charter); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, found, err, c.want)
		}
	}
	if _, err := Check(good, other.charter); !errors.Is(err, envelope.ErrSigner) {
		t.Errorf("under another charter: %v", err)
	}
}

func TestDecode(t *testing.T) {
	for _, b := range []string{"", "{}", `{"v":2}`, "[]", " {}"} {
		if f, err := Decode([]byte(b)); err == nil {
			t.Errorf("%q is %+v", b, f)
		}
	}
	if _, err := Decode(make([]byte, MaxFileBytes+1)); err == nil {
		t.Error("a file of any size")
	}
}

// TestGolden: a file of format 1, with its charter, and the words of it.
func TestGolden(t *testing.T) {
	file, charter, words := filepath.Join("testdata", "evidence.json"), filepath.Join("testdata", "charter.json"), filepath.Join("testdata", "evidence.txt")
	if *update {
		w := newWorld(t)
		f := w.outcome()
		found, err := Check(f, w.charter)
		w.must(err)
		w.must(os.MkdirAll("testdata", 0o755))
		w.must(os.WriteFile(file, federation.Encode(f), 0o644))
		w.must(os.WriteFile(charter, federation.Encode(w.charter), 0o644))
		w.must(os.WriteFile(words, []byte(strings.Join(found.Text(), "\n")+"\n"), 0o644))
	}
	var read [][]byte
	for _, name := range []string{file, charter, words} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, b)
	}
	f, err := Decode(read[0])
	if err != nil {
		t.Fatal(err)
	}
	c, err := federation.DecodeCharter(read[1])
	if err != nil {
		t.Fatal(err)
	}
	found, err := Check(f, c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(read[2]), strings.Join(found.Text(), "\n")+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range newWorld(f).files() {
		f.Add(federation.Encode(file))
	}
	charter := newWorld(f).charter
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Decode(b)
		if err != nil {
			return
		}
		if again := federation.Encode(file); !bytes.Equal(again, b) {
			t.Errorf("decodes and encodes to\n%s, not\n%s", again, b)
		}
		if _, err := Check(file, charter); err == nil {
			t.Error("a file of another federation holds")
		}
	})
}
