package participant

import (
	"errors"
	"fmt"
	"testing"

	"atrium/coordinator/federation"
)

// TestRecover: what the coordinator's log has and the journal lacks is taken up; what may
// have been sent and forgotten is neither sent nor burned.
func TestRecover(t *testing.T) {
	charter := testCharter(4, 4, 3, 1)
	held := []ReadyFor{{Candidate: federation.Digest{40}, Set: federation.Digest{41}}}
	s := State{Self: charter.Custodians[0], Charter: charter, Counter: 3, Memory: []Memory{
		{Manifest: federation.Digest{1}, Round: 1, Questions: []string{"q1"}, Sent: federation.Digest{11}, Candidate: federation.Digest{12}, Set: federation.Digest{13}},
		{Manifest: federation.Digest{2}, Round: 2, Questions: []string{"q2"}},
		{Manifest: federation.Digest{3}, Round: 3, Questions: []string{"q3"}, Burned: true},
		{Manifest: federation.Digest{4}, Round: 4, Questions: []string{"q4"}, Readies: held},
		{Manifest: federation.Digest{5}, Round: 1, Questions: []string{"q5"}, Past: true},
		{Manifest: federation.Digest{8}, Round: 5, Questions: []string{"q8"}},
		{Manifest: federation.Digest{9}, Round: 6, Questions: []string{"q9"}},
		{Manifest: federation.Digest{10}, Round: 2, Burned: true},
	}}
	recall := func(n byte, question string) Recall {
		return Recall{Manifest: federation.Digest{n}, Round: uint64(n), Questions: []string{question}, Message: federation.Digest{10*n + 1},
			Candidate: federation.Digest{10*n + 2}, Set: federation.Digest{10*n + 3}}
	}
	known, forgotten, unseen := recall(1, "q1"), recall(2, "q2"), recall(6, "q6")
	entries, err := Recover(s, 9, []Recall{known, forgotten, unseen, unseen})
	if err != nil {
		t.Fatal(err)
	}
	after := s
	for _, e := range entries {
		if e, err = DecodeEntry(federation.Encode(e)); err != nil {
			t.Fatal(err)
		}
		if after, err = Apply(after, e); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
	}
	if after.Counter != 9 || after.Recovered != 9 || len(entries) != 3 {
		t.Errorf("join %d, recovered to %d after %d entries", after.Counter, after.Recovered, len(entries))
	}
	// 8 was verified before 9 and no share sums of it are held: nothing can have been sent.
	for manifest, want := range map[byte]string{1: "sent", 2: "sent", 3: "burned", 4: "silent", 5: "", 6: "sent", 8: "", 9: "silent", 10: "burned"} {
		m, _ := after.Recall(federation.Digest{manifest})
		got := ""
		switch {
		case m.HasSent() && !m.Burned && !m.Silent:
			got = "sent"
		case m.Burned && !m.HasSent() && !m.Silent:
			got = "burned"
		case m.Silent:
			got = "silent"
		}
		if got != want {
			t.Errorf("manifest %d is %q, want %q", manifest, got, want)
		}
	}
	if m, _ := after.Recall(federation.Digest{6}); m.Questions[0] != "q6" || m.Set != unseen.Set || m.Candidate != unseen.Candidate {
		t.Errorf("recalled %+v", m)
	}
	checkSilence(t, after)
	again, err := Recover(after, 4, []Recall{known, forgotten, unseen})
	if err != nil || len(again) != 1 || again[0].Counter != 9 {
		t.Errorf("recover again: %+v, %v", again, err)
	}
	if twice := mustApply(t, after, again, nil); !twice.Memory[3].Silent || !twice.Memory[6].Silent {
		t.Error("a second recovery forgets the first")
	}
	burned, other := recall(3, "q3"), recall(1, "q1")
	other.Candidate = federation.Digest{99}
	for name, r := range map[string]Recall{"burned and sent": burned, "sent in two ways": other} {
		if entries, err := Recover(s, 9, []Recall{r}); !errors.Is(err, ErrBurned) && !errors.Is(err, ErrConflict) || entries != nil {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
	s.Self = "h-nobody"
	if entries, err := Recover(s, 9, nil); err != nil || len(entries) != 1 {
		t.Errorf("no custodian: %+v, %v", entries, err)
	}
}

// checkSilence: a recovered custodian neither sends nor burns where it may have sent, and
// nothing that carries a Join up to the recovered number; what is later is as ever.
func checkSilence(t *testing.T, s State) {
	t.Helper()
	if err := MaySend(s, federation.Digest{4}, federation.Digest{40}); !errors.Is(err, ErrRecovered) {
		t.Errorf("send what was ready before: %v", err)
	}
	for _, c := range []struct {
		name     string
		manifest byte
		joined   uint64
		want     error
	}{
		{"what was recalled", 2, 2, ErrSent},
		{"what it was ready for", 4, 4, ErrRecovered},
		{"what it was ready for, said to be joined never", 4, 0, ErrRecovered},
		{"an unknown one with an old join", 7, 9, ErrRecovered},
		{"an unknown one with a join that was never made", 7, 10, ErrRecovered},
		{"an unknown one without a join", 7, 0, nil},
	} {
		if _, err := BurnManifest(s, 1, federation.Digest{c.manifest}, c.joined); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("burn %s: %v, want %v", c.name, err, c.want)
		}
	}
	s.Counter++ // joined once more
	if _, err := BurnManifest(s, 1, federation.Digest{7}, 10); err != nil {
		t.Errorf("burn what was joined since: %v", err)
	}
	for question, want := range map[string]error{"q4": ErrAnswered, "q9": ErrAnswered, "q6": ErrAnswered, "q8": nil, "q7": nil} {
		if err := s.unanswered(federation.Digest{77}, []string{question}, federation.Digest{1}); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("question %s: %v, want %v", question, err, want)
		}
	}
}

// TestNothingAfterRecovery: after the loss of its journal a hospital goes on with the next
// Join, and under no manifest that carries an older one.
func TestNothingAfterRecovery(t *testing.T) {
	w := newWorld(t)
	s := silent(t, w.ready(t, 0))
	if _, err := AcceptManifest(s, testPlan(), w.h, w.m, nil); !errors.Is(err, ErrNotJoined) {
		t.Errorf("accept an old manifest: %v", err)
	}
	if err := MaySubmit(s, w.m); !errors.Is(err, ErrRestarted) {
		t.Errorf("submit under an old manifest: %v", err)
	}
	h := testHeader(w.s.Charter, testPlan(), 2)
	h.Parameters = federation.Sum([]byte("next"))
	h.Questions = testPlan().Questions(h.Kind, h.Parameters)
	s, m, err := joinAndAccept(t, s, h, "M2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(s, m, candidateOf(m.Digest, w.set(0)...)); err != nil {
		t.Errorf("a new question after the recovery: %v", err)
	}
}

// TestRecoveredRemembersTheLine: what a custodian sent after its backup, and what it was ready
// for in it, binds it under the guard and along a line of evaluations as if nothing was lost.
func TestRecoveredRemembersTheLine(t *testing.T) {
	before := guardedState(t)
	all := before.Charter.Groups[0]
	recall := func(round uint64, kind federation.RoundKind, m federation.VerifiedManifest, c federation.Candidate) Recall {
		return Recall{Manifest: m.Digest, Round: round, Questions: []string{"q"}, Message: federation.Sum([]byte("signed send")),
			Candidate: c.Digest(), Set: federation.SetDigest(c.Set()),
			Opens: Opens(before, federation.Opened{Manifest: m.Digest, Kind: kind, Set: c.Set(), Sketch: &federation.Sketch{1, float32(round - 1)}})}
	}
	forget := func(ready bool) (State, []Recall) {
		s, sent := before, []Recall{}
		for round, kind := range []federation.RoundKind{federation.Train, federation.Evaluate} {
			next, m := s.under(t, uint64(round)+1, kind, float32(round), nil)
			c := candidateOf(m.Digest, all...)
			if s = readyFor(t, next, m, c, nil); !ready {
				s = next
			}
			sent = append(sent, recall(uint64(round)+1, kind, m, c))
		}
		return s, sent
	}
	unaware, sent := forget(false)
	aware, _ := forget(true)
	for name, lost := range map[string]struct {
		state State
		told  []Recall
	}{"told": {before, sent}, "told of what it had verified": {unaware, sent}, "ready and told": {aware, sent}, "ready and told nothing": {aware, nil}} {
		entries, err := Recover(lost.state, 9, lost.told)
		s := mustApply(t, lost.state, entries, err)
		s = mustApply(t, s, Start(federation.Sum([]byte("run 2"))), nil)
		for round, kind := range []federation.RoundKind{federation.Train, federation.Evaluate} {
			s, m := s.under(t, uint64(round)+10, kind, float32(round)+.0005, nil)
			want := []error{federation.ErrGuard, ErrLine}[round]
			if _, err := send(s, m, candidateOf(m.Digest, all[1:]...)); !errors.Is(err, want) {
				t.Errorf("%s: %s without one: %v", name, kind, err)
			}
			if _, err := send(s, m, candidateOf(m.Digest, all...)); err != nil {
				t.Errorf("%s: %s of the same: %v", name, kind, err)
			}
		}
	}
}

// TestRecoveredFromALaterEpoch: a backup of an epoch ago recovers, and goes over to the present
// epoch only then. What it sent in that one still binds it; what it sent before is for the closing
// statements to say.
func TestRecoveredFromALaterEpoch(t *testing.T) {
	s := guardedState(t)
	s = mustApply(t, s, []Entry{{V: 1, Kind: Pinned, Digest: federation.Sum([]byte("charter 1")), Epoch: 1}}, nil)
	all := s.Charter.Groups[0]
	var told []Recall
	for epoch := uint64(1); epoch <= 2; epoch++ {
		manifest := federation.Sum(fmt.Append(nil, epoch))
		c := candidateOf(manifest, all...)
		told = append(told, Recall{Manifest: manifest, Round: epoch, Epoch: epoch, Questions: []string{fmt.Sprint("q", epoch)}, Message: federation.Sum([]byte("signed send")),
			Candidate: c.Digest(), Set: federation.SetDigest(c.Set()),
			Opens: Opens(s, federation.Opened{Manifest: manifest, Kind: federation.Evaluate, Set: c.Set(), Sketch: &federation.Sketch{float32(epoch)}})})
	}
	entries, err := Recover(s, 9, told)
	s = mustApply(t, s, entries, err)
	s = mustApply(t, s, []Entry{{V: 1, Kind: Began, Digest: federation.Sum([]byte("charter 2")), Epoch: 2}}, nil)
	compacted := State{Self: s.Self, Charter: s.Charter}
	for _, e := range Compact(s) {
		compacted = mustApply(t, compacted, []Entry{e}, nil)
	}
	for name, s := range map[string]State{"at once": s, "compacted": compacted} {
		for question, want := range map[string]error{"q1": nil, "q2": ErrAnswered} {
			if err := s.unanswered(federation.Digest{77}, []string{question}, federation.Digest{1}); !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("%s: question %s: %v, want %v", name, question, err, want)
			}
		}
		if len(s.Opened) != 1 || s.Opened[0].Manifest != told[1].Manifest || len(s.Lines) != 1 || !s.Lines[0].has(told[1].Manifest) {
			t.Errorf("%s: it remembers %+v and %+v", name, s.Opened, s.Lines)
		}
	}
}
