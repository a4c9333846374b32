package audit

import (
	"errors"
	"strings"
	"testing"

	"atrium/coordinator/coordinatortest"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// grown is a federation whose log begins every 50th batch with a state.
func grown(t testing.TB, n int, every int64) (*coordinatortest.Federation, *storagetest.Memory) {
	t.Helper()
	bucket := storagetest.NewMemory()
	f, err := coordinatortest.New(t.Context(), bucket, 4)
	if err == nil {
		err = f.Grow(t.Context(), n, every)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, bucket
}

// TestStates: every state that the log names is compared with the replay's.
func TestStates(t *testing.T) {
	f, bucket := grown(t, 220, 50)
	r, err := Verify(t.Context(), bucket, Options{})
	if err != nil || len(r.Notes) != 0 {
		t.Fatalf("%v; notes %q", err, r.Notes)
	}
	var named []string
	memo := round.Memo{State: round.State{Charter: f.Charter}}
	if _, err := roundlog.Read(t.Context(), bucket, f.Charter.LogKey, func(b roundlog.Batch) error {
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err != nil {
				return err
			}
			if e.Kind == round.Stated {
				named = append(named, storage.Blob(e.Blob))
			}
			if memo, err = memo.Apply(e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil || len(named) != 4 {
		t.Fatalf("%d states: %v", len(named), err)
	}

	damaged := bucket.Clone()
	damaged.Set(named[2], []byte("{}"))
	_, err = Verify(t.Context(), damaged, Options{})
	checkProblem(t, err, named[2])

	missing := bucket.Clone()
	missing.Set(named[2], nil)
	r, err = Verify(t.Context(), missing, Options{})
	if err != nil || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "the state that entry 1") {
		t.Errorf("missing: %v, notes %q", err, r.Notes)
	}

	memo.State.Failures++
	stated, blob := round.StateEntry(memo, round.When{Now: coordinatortest.Start})
	if _, err := storage.PutBlob(t.Context(), bucket, blob); err != nil {
		t.Fatal(err)
	}
	l, err := roundlog.Open(t.Context(), bucket, f.Key, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := storage.Batch(l.Next())
	if _, err := l.Append(t.Context(), l.Epoch(), coordinatortest.Start, [][]byte{stated.Encode()}); err != nil {
		t.Fatal(err)
	}
	for what, check := range map[string]func() error{
		"verify": func() error { _, err := Verify(t.Context(), bucket, Options{}); return err },
		"replay": func() error { _, err := Replay(t.Context(), bucket, Options{}); return err },
		"show":   func() error { _, err := Show(t.Context(), bucket, 0, Options{}); return err },
	} {
		err := check()
		checkProblem(t, err, last)
		if !errors.Is(err, round.ErrEntry) {
			t.Errorf("%s of a state that lies: %v", what, err)
		}
	}
}

// BenchmarkVerifyLong verifies a log of 100,000 entries, one a batch, with its messages.
func BenchmarkVerifyLong(b *testing.B) {
	_, bucket := grown(b, 100_000-2-101, 1000)
	for b.Loop() {
		if _, err := Verify(b.Context(), bucket, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
