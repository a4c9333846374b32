package roundlog

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"atrium/storage/storagetest"
)

// keep is the checkpoint of a size as a hospital keeps it.
func keep(t testing.TB, l *Log, size int64) Kept {
	t.Helper()
	data := must[[]byte](t)(l.CheckpointAt(t.Context(), size))
	private, _ := testCosigner()
	line := must[[]byte](t)(Cosign(data, "h-abc", private, noon))
	return must[Kept](t)(ParseKept(append(data, line...)))
}

// TestKept: what was done to a file on its way does no harm, and what was done to its
// content does.
func TestKept(t *testing.T) {
	key := testKey(t, "heart")
	c, data := testCheckpoint(t, key)
	private, public := testCosigner()
	line := must[[]byte](t)(Cosign(data, "h-abc", private, noon))
	file := append(bytes.Clone(data), line...)
	for what, moved := range map[string][]byte{
		"as written":     file,
		"CRLF":           bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")),
		"mark":           append([]byte("\xef\xbb\xbf"), file...),
		"mark and CRLF":  append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))...),
		"blank lines":    append(append([]byte("\n"), file...), "\n\r\n\n"...),
		"no line end":    bytes.TrimSuffix(file, []byte("\n")),
		"and CRLF lines": append(bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")), "\r\n\r\n"...),
	} {
		k, err := ParseKept(moved)
		if err != nil || k.Checkpoint != c || !bytes.Equal(k.Note, data) || !bytes.Equal(k.Encode(), file) {
			t.Errorf("%s: %v, %+v", what, err, k)
			continue
		}
		if len(k.Cosignatures) != 1 || k.Cosignatures[0].Name != "h-abc" || !k.Cosignatures[0].Time.Equal(noon.Truncate(time.Second)) {
			t.Errorf("%s: cosignatures %+v", what, k.Cosignatures)
		}
		if _, err := VerifyCosignature(k.Note, k.Cosignatures[0].Line, "h-abc", public); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if k, err := ParseKept(data); err != nil || len(k.Cosignatures) != 0 {
		t.Errorf("without a cosignature: %v, %+v", err, k)
	}
	for what, bad := range map[string][]byte{
		"empty":             nil,
		"blank":             []byte("\r\n\n"),
		"text alone":        []byte(c.text()),
		"a word below":      append(bytes.Clone(file), "Kind regards\n"...),
		"a gap":             append(append(bytes.Clone(data), '\n'), line...),
		"a spaced line":     bytes.Replace(file, []byte("\n— h-abc"), []byte("\n — h-abc"), 1),
		"another size":      bytes.Replace(file, []byte("\n"), []byte("\n0"), 1),
		"a stray return":    bytes.Replace(file, []byte("\n"), []byte("\r\r\n"), 1),
		"another mark":      append([]byte("\xff\xfe"), file...),
		"cut cosignature":   file[:len(file)-9],
		"long":              append(bytes.Clone(file), bytes.Repeat([]byte("\n"), MaxKeptBytes)...),
		"windows-1252 dash": bytes.ReplaceAll(file, []byte("—"), []byte{0x97}),
	} {
		if _, err := ParseKept(bad); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCheckKept tells apart what is wrong with a kept checkpoint.
func TestCheckKept(t *testing.T) {
	key := testKey(t, "heart")
	full := storagetest.NewMemory()
	l := build(t, full, key, 2, 1, 3, 1)
	cut := storagetest.NewMemory()
	build(t, cut, key, 2, 1)
	other := storagetest.NewMemory()
	forked := build(t, other, key, 3)
	must[int64](t)(forked.Append(t.Context(), 1, noon, [][]byte{[]byte("another"), []byte("and one more")}))
	if _, _, _, err := forked.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger, liver := build(t, storagetest.NewMemory(), named(t, "stranger"), 3), build(t, storagetest.NewMemory(), testKey(t, "liver"), 3)
	altered := keep(t, l, 3)
	_, signature, _ := bytes.Cut(keep(t, l, 4).Note, []byte("\n\n"))
	altered.Note = append([]byte(altered.text()+"\n"), signature...)
	unsigned := keep(t, l, 3)
	unsigned.Note = []byte(unsigned.text() + "\n")

	tree := must[*Tree](t)(Read(t.Context(), full, key.Verifier(), nil))
	for size := int64(2); size <= 7; size++ {
		if err := tree.CheckKept(keep(t, l, size)); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
	short := must[*Tree](t)(Read(t.Context(), cut, key.Verifier(), nil))
	if err := short.CheckKept(keep(t, l, 3)); err != nil {
		t.Errorf("the size at which the log was cut: %v", err)
	}
	for what, c := range map[string]struct {
		tree *Tree
		kept Kept
		want error
	}{
		"cut":           {short, keep(t, l, 7), ErrBehind},
		"cut by one":    {short, keep(t, l, 4), ErrBehind},
		"fork":          {tree, keep(t, forked, 5), ErrFork},
		"longer fork":   {short, keep(t, forked, 5), ErrBehind},
		"another key":   {tree, keep(t, stranger, 3), ErrOtherLog},
		"another log":   {tree, keep(t, liver, 3), ErrOtherLog},
		"bad signature": {tree, altered, ErrSignature},
		"no signature":  {tree, unsigned, ErrEncoding},
	} {
		err := c.tree.CheckKept(c.kept)
		for _, sentinel := range []error{ErrBehind, ErrFork, ErrOtherLog, ErrSignature, ErrEncoding} {
			if errors.Is(err, sentinel) != (sentinel == c.want) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// TestCheckKeptSuccession: a checkpoint holds under the key that the log had at its size.
func TestCheckKeptSuccession(t *testing.T) {
	r := newRekeyed(t)
	old := keep(t, must[*Log](t)(r.open(t, r.old)), 4)
	cut := r.bucket.Clone()
	l := r.takeOver(t)
	if _, _, _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	young := keep(t, l, 6)
	tree := must[*Tree](t)(Read(t.Context(), r.bucket, r.old.Verifier(), nil, r.option()))
	for _, k := range []Kept{old, young} {
		if err := tree.CheckKept(k); err != nil {
			t.Errorf("size %d: %v", k.Size, err)
		}
	}
	late := young
	late.Note = must[[]byte](t)(note.Sign(&note.Note{Text: young.text()}, r.old))
	if err := tree.CheckKept(late); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by the key before: %v", err)
	}
	tree = must[*Tree](t)(Read(t.Context(), cut, r.old.Verifier(), nil, r.option()))
	if err := tree.CheckKept(young); !errors.Is(err, ErrOtherLog) { // who cosigned it knows better
		t.Errorf("cut before the key came: %v", err)
	}
}

func FuzzKept(f *testing.F) {
	_, data := testCheckpoint(f, testKey(f, "heart"))
	private, _ := testCosigner()
	file := append(bytes.Clone(data), must[[]byte](f)(Cosign(data, "h-abc", private, noon))...)
	f.Add(data)
	f.Add(file)
	f.Add(append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKept(data)
		if err != nil {
			return
		}
		again, err := ParseKept(k.Encode())
		if err != nil || !bytes.Equal(again.Encode(), k.Encode()) || again.Checkpoint != k.Checkpoint {
			t.Errorf("%q becomes %q: %v", data, k.Encode(), err)
		}
	})
}
