package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client/participant"
	"atrium/coordinator/federation"
)

// rounds are the entries of n rounds of a hospital: it sees a checkpoint, joins, verifies,
// submits, and every tenth time burns.
func rounds(first, n int) []participant.Entry {
	var list []participant.Entry
	for i := first; i < first+n; i++ {
		d := func(what string) federation.Digest { return federation.Sum(fmt.Append(nil, what, i)) }
		questions := []string{"train/" + d("parameters").String()}
		list = append(list,
			participant.Entry{V: 1, Kind: participant.Saw, Head: federation.TreeHead{Size: int64(i + 1), Root: d("root")}},
			participant.Entry{V: 1, Kind: participant.Joined, Digest: d("header"), Counter: uint64(i + 1), Questions: questions},
			participant.Entry{V: 1, Kind: participant.Verified, Digest: d("manifest"), Round: uint64(i + 1), Questions: questions},
			participant.Entry{V: 1, Kind: participant.Submitted, Digest: d("manifest"), Message: d("submission")})
		if i%10 == 0 {
			list = append(list, participant.Entry{V: 1, Kind: participant.Burned, Digest: d("manifest"), Round: uint64(i + 1)})
		}
	}
	return list
}

// diary is a journal with its state, as the daemon has it.
type diary struct {
	t     *testing.T
	dir   string
	j     *journal
	state participant.State
}

func newDiary(t *testing.T) *diary {
	t.Helper()
	l := &diary{t: t, dir: t.TempDir()}
	l.open()
	return l
}

func (l *diary) open() {
	l.t.Helper()
	var err error
	if l.j, l.state, err = openJournal(l.dir, participant.State{}); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.j.close() })
}

func (l *diary) add(entries []participant.Entry) {
	l.t.Helper()
	for _, e := range entries {
		if err := l.j.add([]participant.Entry{e}); err != nil {
			l.t.Fatal(err)
		}
		var err error
		if l.state, err = participant.Apply(l.state, e); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *diary) path() string { return filepath.Join(l.dir, JournalFile) }

// TestJournalStaysSmall: however many rounds, the journal is bounded by what must be
// remembered, and a start finds what was remembered.
func TestJournalStaysSmall(t *testing.T) {
	l := newDiary(t)
	l.j.write = func(f *os.File, lines []byte) error { _, err := f.Write(lines); return err } // without fsync
	whole, compactions := int64(0), 0
	for i := range 3000 {
		before := l.j.size
		l.add(rounds(i, 1))
		whole += l.j.size - before
		if !l.j.grown() {
			continue
		}
		if replaced, err := l.j.compact(l.state); err != nil || !replaced {
			t.Fatal(err)
		}
		compactions++
	}
	info, err := os.Stat(l.path())
	if err != nil || info.Size() != l.j.size || l.j.size > whole/4 || compactions < 3 {
		t.Errorf("%d bytes, %d by its own account, of %d, after %d compactions: %v", info.Size(), l.j.size, whole, compactions, err)
	}
	want := l.state
	l.j.close()
	l.open()
	if l.state.Counter != 3000 || l.state.Submitted() != 3000 || l.state.Seen != want.Seen {
		t.Errorf("join %d, %d submissions", l.state.Counter, l.state.Submitted())
	}
	for _, m := range want.Memory {
		if got, ok := l.state.Recall(m.Manifest); m.Burned && (!ok || !got.Burned) {
			t.Errorf("the burn of round %d is forgotten", m.Round)
		}
	}
}

// TestCompactionCutShort: a crash before the new journal has the name leaves the old one;
// one that is not whole is refused if it has the name all the same.
func TestCompactionCutShort(t *testing.T) {
	l := newDiary(t)
	l.add(rounds(0, 60))
	old, err := os.ReadFile(l.path())
	if err != nil {
		t.Fatal(err)
	}
	want := l.state
	if replaced, err := l.j.compact(l.state); err != nil || !replaced {
		t.Fatal(err)
	}
	l.j.close()
	compact, err := os.ReadFile(l.path())
	if err != nil || len(compact) >= len(old) {
		t.Fatalf("%d bytes after %d: %v", len(compact), len(old), err)
	}
	for n := 0; n <= len(compact); n += 1 + len(compact)/60 {
		for name, data := range map[string][]byte{JournalFile: old, JournalFile + ".new": compact[:n]} {
			if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l.open()
		if l.state.Counter != 60 || len(l.state.Memory) != 60 {
			t.Fatalf("died after %d bytes: join %d", n, l.state.Counter)
		}
		if replaced, err := l.j.compact(l.state); err != nil || !replaced { // over what is left
			t.Fatal(err)
		}
		l.add(rounds(60, 1))
		l.j.close()
		l.open()
		if l.state.Counter != 61 || l.state.Submitted() != 61 {
			t.Fatalf("died after %d bytes, then compacted: join %d", n, l.state.Counter)
		}
		l.j.close()
		if err := os.WriteFile(l.path(), compact[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, state, err := openJournal(l.dir, participant.State{})
		if cut := n > bytes.IndexByte(compact, '\n'); cut && n < len(compact) && !errors.Is(err, ErrJournal) {
			t.Fatalf("%d of %d bytes: %v", n, len(compact), err)
		}
		if err == nil {
			if n == len(compact) && !state.Remembers(want) {
				t.Error("the whole says something else")
			}
			j.close()
		}
	}
}

// TestCompactionFails: a disk that is full leaves the journal as it was, in use.
func TestCompactionFails(t *testing.T) {
	l := newDiary(t)
	l.add(rounds(0, 40))
	full := errors.New("no space left on device")
	l.j.write = func(*os.File, []byte) error { return full }
	if replaced, err := l.j.compact(l.state); replaced || !errors.Is(err, full) {
		t.Fatalf("replaced %v: %v", replaced, err)
	}
	if _, err := os.Stat(l.path() + ".new"); !errors.Is(err, os.ErrNotExist) || l.j.grown() {
		t.Errorf("it is left behind, or tried again at once: %v", err)
	}
	l.j.write = func(f *os.File, lines []byte) error { // what is read back is something else
		return writeLines(f, bytes.Replace(lines, []byte(`"follow":19`), []byte(`"follow":18`), 1))
	}
	if replaced, err := l.j.compact(l.state); replaced || !errors.Is(err, ErrJournal) {
		t.Fatalf("replaced %v: %v", replaced, err)
	}
	l.j.write = writeLines
	l.add(rounds(40, 1))
	l.j.close()
	l.open()
	if l.state.Counter != 41 {
		t.Errorf("join %d", l.state.Counter)
	}
}

// TestCompactedJournalIsLocked: the new journal is locked as the old one was, and whoever
// found the old one just before finds out.
func TestCompactedJournalIsLocked(t *testing.T) {
	l := newDiary(t)
	l.add(rounds(0, 40))
	early, err := os.Open(l.path()) // a second daemon that has opened it and not locked it yet
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if replaced, err := l.j.compact(l.state); err != nil || !replaced {
		t.Fatal(err)
	}
	if _, _, err := openJournal(l.dir, participant.State{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
	l.j.close()
	held, err := lockFile(l.path())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	data := make([]byte, 100)
	if _, err := held.ReadAt(data, 0); err != nil || !strings.Contains(string(data), `"kind":"compacted"`) {
		t.Errorf("the old journal is locked: %q, %v", data, err)
	}
}
