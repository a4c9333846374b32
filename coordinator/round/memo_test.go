package round_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// fullMemo is a memo in the middle of a round, with an attempt before it.
func fullMemo(t testing.TB) round.Memo {
	s := newStory(t, 5, 0)
	s.statistics("ABCDE")
	s.toSelect("ABCDE")
	s.answer("A")
	s.gone = s.ids("BCDE")
	s.pass(10)
	s.own(round.TaskAbandon)
	s.gone = nil
	s.own(round.TaskOpen)
	s.join("ABCDE")
	s.must("B burns", s.burnEvent("B", s.state.Attempts[len(s.state.Attempts)-1].Manifest))
	s.own(round.TaskManifest)
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.acknowledge("A", "B-D", "C")
	m := round.Memo{State: round.State{Charter: s.w.charter}}
	for _, e := range s.entries() {
		var err error
		if m, err = m.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestMemoEncoding: logs name the digest of this encoding. Where it changes for a state
// that a log already named, its format must get another number.
func TestMemoEncoding(t *testing.T) {
	whole := fullMemo(t).Encode()
	got := shape(whole)
	const file = "testdata/memo.txt"
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	m, err := round.DecodeMemo(whole)
	if err != nil || !bytes.Equal(m.Encode(), whole) {
		t.Fatalf("it does not come back: %v", err)
	}
	for what, change := range map[string][2]string{
		"another format":     {`"v":1,"state"`, `"v":2,"state"`},
		"an unknown key":     {`"v":1,"state"`, `"v":1,"more":1,"state"`},
		"another spelling":   {`"genesis":true`, `"genesis": true`},
		"a broken charter":   {`"threshold":4`, `"threshold":9`},
		"a contradiction":    {`"phase":"opening"`, `"phase":"gathering"`},
		"nothing at the end": {`}`, ``},
	} {
		changed := []byte(strings.Replace(string(whole), change[0], change[1], 1))
		if bytes.Equal(changed, whole) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := round.DecodeMemo(changed); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// shape is an encoding line by line, with numbers for digests and entries, whose bytes are
// other packages' business.
func shape(encoded []byte) string {
	text := regexp.MustCompile(`"select_entry":"[^"]*"`).ReplaceAllString(string(encoded), `"select_entry":"entry"`)
	seen := map[string]string{}
	text = digestText.ReplaceAllStringFunc(text, func(d string) string {
		if _, ok := seen[d]; !ok {
			seen[d] = fmt.Sprintf("digest %d", len(seen))
		}
		return seen[d]
	})
	return strings.ReplaceAll(text, ",", ",\n") + "\n"
}

// TestStateEntry: it is taken only where it names the memo before it.
func TestStateEntry(t *testing.T) {
	m := fullMemo(t)
	e, blob := round.StateEntry(m, round.When{Now: start})
	if federation.Sum(blob) != e.Blob {
		t.Fatal("the entry names other bytes")
	}
	next, err := m.Apply(e)
	if err != nil || next.Size != m.Size+1 {
		t.Fatalf("size %d: %v", next.Size, err)
	}
	next.Size--
	if !bytes.Equal(next.Encode(), blob) {
		t.Error("it changed the state")
	}
	if _, err := next.Apply(e); err != nil {
		t.Error(err)
	}
	next.Size++
	if _, err := next.Apply(e); !errors.Is(err, round.ErrEntry) {
		t.Errorf("of an earlier state: %v", err)
	}
}

// FuzzDecodeMemo: what is read re-encodes to the same bytes.
func FuzzDecodeMemo(f *testing.F) {
	f.Add(round.Memo{State: round.State{Charter: testCharter(f, 4, 1)}}.Encode())
	f.Add(fullMemo(f).Encode())
	f.Add([]byte(`{"v":1,"state":{},"size":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := round.DecodeMemo(b)
		if err == nil && !bytes.Equal(m.Encode(), b) {
			t.Errorf("%s comes back as %s", b, m.Encode())
		}
	})
}
