package roundlog

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := must[[]byte](t)(os.ReadFile(path))
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func testBatch(t testing.TB, key *Key) Batch {
	b := Batch{Origin: key.name, Number: 12, Size: 345, Root: LeafHash([]byte("root")), Epoch: 7, Nonce: [16]byte{1, 2, 3},
		Time: noon, Entries: [][]byte{[]byte(`{"v":1}`), []byte("<&>\u2028"), {0}}}
	b.Signature = must[[]byte](t)(key.Sign(b.message()))
	return b
}

func TestBatchGolden(t *testing.T) {
	key := testKey(t, "atrium.example/heart")
	b := testBatch(t, key)
	golden(t, "batch.golden", b.Encode())
	golden(t, "verifier.golden", []byte(key.Verifier()))
	got := must[Batch](t)(VerifyBatch(b.Encode(), key.Verifier()))
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
}

func TestBatchChangedByte(t *testing.T) {
	key := testKey(t, "heart")
	data := testBatch(t, key).Encode()
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= flip
			_, err := VerifyBatch(bad, key.Verifier())
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) && !errors.Is(err, ErrBatch) {
				t.Errorf("byte %d ^ %#x: %v", i, flip, err)
			}
		}
	}
	if _, err := VerifyBatch(data, testKey(t, "other").Verifier()); !errors.Is(err, ErrBatch) {
		t.Errorf("other origin: %v", err)
	}
	twin := must[*Key](t)(GenerateKey("heart", strings.NewReader(strings.Repeat("t", 32))))
	if _, err := VerifyBatch(data, twin.Verifier()); !errors.Is(err, ErrSignature) {
		t.Errorf("other key: %v", err)
	}
	if _, err := VerifyBatch(data, "heart"); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
}

func TestBatchBounds(t *testing.T) {
	key := testKey(t, "heart")
	for what, c := range map[string]struct {
		change func(*Batch)
		err    error
	}{
		"no entry":       {func(b *Batch) { b.Entries = nil }, ErrEntry},
		"empty entry":    {func(b *Batch) { b.Entries = [][]byte{{}} }, ErrEntry},
		"long entry":     {func(b *Batch) { b.Entries = [][]byte{make([]byte, MaxEntryBytes+1)} }, ErrEntry},
		"longest entry":  {func(b *Batch) { b.Entries = [][]byte{make([]byte, MaxEntryBytes)} }, nil},
		"many entries":   {func(b *Batch) { b.Entries = entries(0, MaxBatchEntries+1) }, ErrEntry},
		"most entries":   {func(b *Batch) { b.Entries = entries(0, MaxBatchEntries) }, nil},
		"large":          {func(b *Batch) { b.Entries = large(MaxBatchPayload/MaxEntryBytes + 1) }, ErrEntry},
		"largest":        {func(b *Batch) { b.Entries = large(MaxBatchPayload / MaxEntryBytes) }, nil},
		"largest evenly": {func(b *Batch) { b.Entries = evenly(MaxBatchPayload/MaxBatchEntries, MaxBatchEntries) }, nil},
		"number":         {func(b *Batch) { b.Number = 1e12 }, ErrEncoding},
		"negative":       {func(b *Batch) { b.Number = -1 }, ErrEncoding},
		"size":           {func(b *Batch) { b.Size = -1 }, ErrEncoding},
		"origin":         {func(b *Batch) { b.Origin = "he art" }, ErrEncoding},
		"year":           {func(b *Batch) { b.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, ErrEncoding},
	} {
		b := testBatch(t, key)
		c.change(&b)
		b.Signature = must[[]byte](t)(key.Sign(b.message()))
		if _, err := VerifyBatch(b.Encode(), key.Verifier()); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", what, err, c.err)
		}
	}
}

func large(n int) [][]byte { return evenly(MaxEntryBytes, n) }

func evenly(size, n int) [][]byte {
	es := make([][]byte, n)
	for i := range es {
		es[i] = bytes.Repeat([]byte{0xff}, size)
	}
	return es
}

func FuzzBatch(f *testing.F) {
	key := testKey(f, "heart")
	data := testBatch(f, key).Encode()
	f.Add(data)
	f.Add(bytes.Replace(data, []byte(`"v":1`), []byte(`"v":2`), 1))
	f.Add(bytes.Replace(data, []byte(`,"time"`), []byte(` ,"time"`), 1))
	f.Add(bytes.Replace(data, []byte(`Z"`), []byte(`+00:00"`), 1))
	f.Add([]byte(`{"v":1,"entries":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBatch(data)
		if err == nil && !bytes.Equal(b.Encode(), data) {
			t.Errorf("%q re-encodes as %q", data, b.Encode())
		}
	})
}

func FuzzBundle(f *testing.F) {
	f.Add(encodeBundle(entries(0, 3)))
	f.Add(encodeBundle(entries(0, 256)))
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		es, err := DecodeBundle(data)
		if err == nil && !bytes.Equal(encodeBundle(es), data) {
			t.Errorf("%q re-encodes as %q", data, encodeBundle(es))
		}
	})
}
