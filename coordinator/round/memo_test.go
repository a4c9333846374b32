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
	s.stand("ABCDE")
	s.send("A")
	for _, l := range []string{"B", "C"} { // three can still send: A, D and E
		s.must("decline", s.declineEvent(l, federation.RoleCustodian))
	}
	for _, l := range []string{"B", "C", "D"} {
		s.must("burn", s.burnEvent(l, s.state.Round.Manifest))
	}
	s.own(round.TaskAbandon)
	s.w.bytes = federation.AddBytes + 1
	s.gather("ABCDE")
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.vouch("ABCDE")
	s.ready("A", "B-D", "C", "D", "E")
	s.send("C")
	m := round.Memo{State: round.State{Charter: s.w.charter}}
	for _, e := range s.entries() {
		var err error
		if m, err = m.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// unequalMemo is a memo in the middle of a round with a draw, a deadline of its own and a
// stop rule that saw an evaluation.
func unequalMemo(t testing.TB) round.Memo {
	s := newPlannedStory(t, 6, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery = 3, 1
		p.Schedule.Cohort = federation.Cohort{Size: 3, Extra: 0.3}
		p.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 4, Quantile: 0.6, Factor: 1.5}
		p.Schedule.Stop = federation.Stop{Metric: federation.MetricAUC, Patience: 2}
	})
	s.statistics("ABCDEF")
	metric := 0.75
	for _, kind := range []federation.RoundKind{federation.Train, federation.Evaluate} {
		s.gather("ABCDEF")
		for _, id := range s.cohort() {
			s.pass(1)
			s.update(s.letter(id))
		}
		s.own(round.TaskPropose)
		s.ready("A", "B", "C", "D", "E", "F")
		s.send("ABCDE")
		s.publish(func(ev *round.SumOpened) {
			if kind == federation.Train {
				ev.Parameters = s.w.digest("parameters")
			} else {
				ev.Metric = &metric
			}
		})
	}
	s.own(round.TaskOpen)
	ev := s.joinEvent("A", s.state.Round.Number)
	ev.Capability = federation.Capability{TrainSeconds: 8, UploadKiB: 512}
	s.must("join", ev)
	s.join("BCDEF")
	s.must("decline", s.declineEvent("C", federation.RoleUpdate))
	s.own(round.TaskManifest)
	s.pass(2)
	s.update(s.letter(s.cohort()[0]))
	m := round.Memo{State: round.State{Charter: s.w.charter}}
	for _, e := range s.entries() {
		var err error
		if m, err = m.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestUnequalMemo: what draws, deadlines and stop rules keep comes back.
func TestUnequalMemo(t *testing.T) {
	m := unequalMemo(t)
	s := m.State
	if len(s.Took) != 1 || s.Scored.Count != 1 || len(s.Round.Declines) != 1 || len(s.Round.Durations) != 1 || s.Round.Seconds == 0 {
		t.Errorf("took %v, scored %+v, declines %v, durations %v of %d seconds", s.Took, s.Scored, s.Round.Declines, s.Round.Durations, s.Round.Seconds)
	}
	back, err := round.DecodeMemo(m.Encode())
	if err != nil || !bytes.Equal(back.Encode(), m.Encode()) {
		t.Fatalf("it does not come back: %v", err)
	}
	if diff := cmp.Diff(s, back.State); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
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
	text := regexp.MustCompile(`"(candidate|ready)_entry":"[^"]*"`).ReplaceAllString(string(encoded), `"${1}_entry":"entry"`)
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
	f.Add(unequalMemo(f).Encode())
	f.Add([]byte(`{"v":1,"state":{},"size":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := round.DecodeMemo(b)
		if err == nil && !bytes.Equal(m.Encode(), b) {
			t.Errorf("%s comes back as %s", b, m.Encode())
		}
	})
}
