package client

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// line frames an entry as the journal does.
func line(body []byte) []byte { return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body) }

// FuzzJournal: a journal of two framed lines and anything after them is replayed or
// refused. What is replayed stays in the file as it was, compacts to a journal that says
// as much, and takes further entries.
func FuzzJournal(f *testing.F) {
	one, two := federation.Sum([]byte("1")), federation.Sum([]byte("2"))
	entry := func(e participant.Entry) []byte { e.V = 1; return federation.Encode(e) }
	started := federation.Encode(participant.Start(one)[0])
	f.Add(started, entry(participant.Entry{Kind: participant.Pinned, Digest: one, Epoch: 1}), []byte(nil))
	f.Add(entry(participant.Entry{Kind: participant.Joined, Digest: one, Counter: 1}), entry(participant.Entry{Kind: participant.Verified, Digest: two}),
		line(entry(participant.Entry{Kind: participant.Submitted, Digest: two, Message: one})))
	f.Add(entry(participant.Entry{Kind: participant.Compacted, Follow: 1}), entry(participant.Entry{Kind: participant.Kept, Memory: &participant.Memory{Manifest: one}}), []byte("0"))
	f.Add(entry(participant.Entry{Kind: participant.Kept}), started, []byte("x\n"))
	f.Add([]byte("{}"), []byte(`{"v":1,"kind":"kept"}`), []byte("00000000 \n"))
	f.Fuzz(func(t *testing.T, a, b, rest []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, JournalFile)
		text := bytes.Join([][]byte{line(a), line(b), rest}, nil)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		j, s, err := openJournal(dir, participant.State{})
		if err != nil {
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
				t.Fatalf("a refused journal was changed: %v", err)
			}
			return
		}
		defer j.close()
		if now, err := os.ReadFile(path); err != nil || int64(len(now)) != j.size || !bytes.HasPrefix(text, now) || bytes.IndexByte(text[len(now):], '\n') >= 0 {
			t.Fatalf("a journal of %d bytes is left of %d: %v", len(now), len(text), err)
		}
		again := participant.State{}
		for _, e := range participant.Compact(s) {
			if again, err = participant.Apply(again, e); err != nil {
				t.Fatalf("the compacted journal does not replay: %v", err)
			}
		}
		if !again.Remembers(s) {
			t.Fatal("compaction forgets")
		}
		if err := j.add(participant.Start(two)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzKept: a file of what a hospital keeps is of the plan or refused, and says the same
// when it is written again.
func FuzzKept(f *testing.F) {
	p := plans.Cardiology()
	p.Aggregation = federation.Aggregation{Rule: federation.Scaffold, LearningRate: 1, LocalTensors: []string{"*bias"}}
	first := p.Tensors()[0]
	k := kept{control: make([]float32, p.SharedCount()), local: map[string][]float32{first.Name: make([]float32, first.Size())}}
	raw, err := k.encode(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)-1])
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00{}      "))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := decodeKept(p, "kept", raw)
		if err != nil {
			return
		}
		k.merge(p, make([]float32, p.ParameterCount()))
		k.correction(p, make([]float32, p.SharedCount()))
		written, err := k.encode(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeKept(p, "kept", written)
		if err != nil || !sameKept(k, again) {
			t.Fatalf("%+v is written and read as %+v: %v", k, again, err)
		}
	})
}

func sameKept(a, b kept) bool {
	same := (a.control == nil) == (b.control == nil) && sameBits(a.control, b.control) && len(a.local) == len(b.local)
	for name, values := range a.local {
		same = same && sameBits(values, b.local[name])
	}
	return same
}

// sameBits compares what may hold NaN.
func sameBits(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}
