package participant

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"
)

// history is a custodian of n rounds, each on a base of its own, as a seed has it: it
// submits, is ready, sends, derives that no group held, burns, does none of these, or learns
// of a burn certificate.
func history(t testing.TB, seed uint64, n int) State {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	c := testCharter(5, 4, 3, 1)
	s := State{Self: c.Custodians[0], Charter: c}
	entries, err := Pin(s)
	s = mustApply(t, s, entries, err)
	s = mustApply(t, s, Start(federation.Sum([]byte("run 1"))), nil)
	var last []federation.Digest // manifests of which no certificate is known
	for i := range n {
		entries, err := See(s, federation.TreeHead{Size: int64(i + 1), Root: federation.Sum(fmt.Append(nil, i))})
		s = mustApply(t, s, entries, err)
		h := testHeader(c, testPlan(), uint64(i+1))
		h.Parameters = federation.Sum(fmt.Append(nil, "parameters ", i))
		h.Questions = testPlan().Questions(h.Kind, h.Parameters)
		var m federation.VerifiedManifest
		s, m, err = joinAndAccept(t, s, h, fmt.Sprint("M", i), func(m *federation.VerifiedManifest) {
			if len(last) > 0 && rng.IntN(5) == 0 {
				certify(c, m, last[rng.IntN(len(last))])
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		last = append(last, m.Digest)
		what := rng.IntN(6)
		if what < 5 {
			entries, err = Submit(s, m.Digest, federation.Sum(fmt.Append(nil, "submission ", i)))
			s = mustApply(t, s, entries, err)
		}
		if set := rng.IntN(3); what < 3 {
			c := candidateOf(m.Digest, c.Groups[0][set:set+3]...)
			s = readyFor(t, s, m, c, nil)
			if what < 2 {
				entries, err = SendFor(s, m.Digest, c.Digest(), federation.Sum(fmt.Append(nil, "send ", i)))
				s = mustApply(t, s, entries, err)
			}
			if what == 1 {
				entries, err = NoGroupHeld(s, m.Digest, c.Digest())
				s = mustApply(t, s, entries, err)
			}
		} else if what == 3 {
			entries, err = BurnManifest(s, h.Round, m.Digest, s.Counter)
			s = mustApply(t, s, entries, err)
		}
	}
	return s
}

// again is a state as the journal of its Compact gives it, every entry by way of its bytes.
func again(t testing.TB, s State) State {
	t.Helper()
	next := State{Self: s.Self, Charter: s.Charter}
	for _, e := range Compact(s) {
		e, err := DecodeEntry(federation.Encode(e))
		if err != nil {
			t.Fatal(err)
		}
		if next, err = Apply(next, e); err != nil {
			t.Fatal(err)
		}
	}
	if !next.Remembers(s) {
		t.Fatal("the compacted journal does not say the same")
	}
	return next
}

// TestCompactKeepsWhatBinds: after it, all that the state is ever asked about old
// manifests is answered as before, and what is left out was nothing that binds.
func TestCompactKeepsWhatBinds(t *testing.T) {
	for seed := range uint64(20) {
		s := history(t, seed, 60)
		short := again(t, s)
		if len(short.Memory) >= len(s.Memory) || short.Counter != s.Counter || short.Seen != s.Seen || short.Submitted() != s.Submitted() {
			t.Fatalf("seed %d: %d of %d manifests, join %d, %d submissions", seed, len(short.Memory), len(s.Memory), short.Counter, short.Submitted())
		}
		before, err := ClosingOf(s, random, noProof)
		after, err2 := ClosingOf(short, random, noProof)
		if err != nil || err2 != nil || !bytes.Equal(federation.Encode(before), federation.Encode(after)) {
			t.Errorf("seed %d: another closing statement: %v, %v", seed, err, err2)
		}
		for _, m := range s.Memory {
			_, was := BurnManifest(s, 1, m.Manifest, 1)
			_, is := BurnManifest(short, 1, m.Manifest, 1)
			if (was == nil) != (is == nil) || errors.Is(was, ErrSent) != errors.Is(is, ErrSent) {
				t.Errorf("seed %d: burn of %s: %v, was %v", seed, m.Manifest.Short(), is, was)
			}
			for _, r := range m.Readies {
				if was, is := MaySend(s, m.Manifest, r.Candidate), MaySend(short, m.Manifest, r.Candidate); was != nil || is != nil {
					t.Errorf("seed %d: send what was ready in round %d: %v, was %v", seed, m.Round, is, was)
				}
			}
			if m.HasSent() {
				checkSameAnswers(t, s, short, m)
			}
		}
		if twice := again(t, short); !twice.Remembers(short) || twice.Submitted() != s.Submitted() {
			t.Errorf("seed %d: compacting twice gives something else", seed)
		}
	}
}

var random = federation.Sum([]byte("random"))

// noProof leaves every proof out.
func noProof(_, _ federation.Digest) *federation.Proof { return nil }

// checkSameAnswers asks both states a question that was sent on again, for every set.
func checkSameAnswers(t *testing.T, s, short State, m Memory) {
	t.Helper()
	ask := func(s State, set int) error {
		s.Live = Live{Incarnation: s.Live.Incarnation, Questions: m.Questions, Base: s.Newest(), Newest: s.Newest().Version, Manifest: federation.Sum([]byte("new"))}
		s = s.remember(Memory{Manifest: s.Live.Manifest, Questions: m.Questions, Form: m.Form}) // asked as it was
		manifest := testManifest(s.Charter, testHeader(s.Charter, testPlan(), 99), federation.Join{Hospital: s.Self}, "new")
		return MayOpen(s, manifest, candidateOf(manifest.Digest, s.Charter.Groups[0][set:set+3]...), nil)
	}
	allowed := 0
	for set := range 3 {
		was, is := ask(s, set), ask(short, set)
		if (was == nil) != (is == nil) || errors.Is(was, ErrAnswered) != errors.Is(is, ErrAnswered) {
			t.Errorf("set %d on the question of round %d: %v, was %v", set, m.Round, is, was)
		}
		if is == nil {
			allowed++
		}
	}
	want := 0
	switch {
	case m.Certified:
		want = 3
	case m.Failed:
		want = 1
	}
	if allowed != want {
		t.Errorf("round %d, certified %v, failed %v: %d sets may be asked, want %d", m.Round, m.Certified, m.Failed, allowed, want)
	}
}

// TestCompactAcrossEpochs: what binds from an earlier epoch stays.
func TestCompactAcrossEpochs(t *testing.T) {
	var closers []State
	for i := range 4 {
		closers = append(closers, pinned(t, i, 0))
	}
	s, m := nextEpoch(t, closers[0], closers, false)
	short := again(t, s)
	if len(short.Bound) == 0 || short.Epoch != 2 || short.Pinned != s.Pinned {
		t.Fatalf("epoch %d with %d bound answers", short.Epoch, len(short.Bound))
	}
	short.Charter, short.Live = s.Charter, s.Live
	for set := range 3 {
		c := candidateOf(m.Digest, s.Charter.Groups[0][set:set+3]...)
		if was, is := MayOpen(s, m, c, nil), MayOpen(short, m, c, nil); !errors.Is(was, ErrAnswered) || !errors.Is(is, ErrAnswered) {
			t.Errorf("set %d: %v, was %v", set, is, was)
		}
	}
}

// TestCompactAfterRecovery: what was silenced stays so, however long ago.
func TestCompactAfterRecovery(t *testing.T) {
	s := history(t, 3, 40)
	entries, err := Recover(restarted(t, s), s.Counter+2, nil)
	s = mustApply(t, s, entries, err)
	silenced := 0
	for _, m := range s.Memory {
		if m.Silent {
			silenced++
		}
	}
	short := again(t, s)
	if silenced < 2 || short.Recovered != s.Counter {
		t.Fatalf("%d manifests silenced, recovered to %d", silenced, short.Recovered)
	}
	for _, m := range s.Memory {
		if kept, ok := short.Recall(m.Manifest); m.Silent && (!ok || !kept.Silent || len(kept.Readies) != len(m.Readies)) {
			t.Errorf("manifest of round %d: kept %+v", m.Round, kept)
		}
	}
}

// TestCompactedOutOfPlace: a part of what was kept is no state, and nothing is added to one.
func TestCompactedOutOfPlace(t *testing.T) {
	s := history(t, 1, 40)
	entries := Compact(s)
	next := State{Self: s.Self, Charter: s.Charter}
	for i, e := range entries {
		if i > 0 {
			for _, other := range []Entry{Start(federation.Sum([]byte("run 2")))[0], entries[0]} {
				if _, err := Apply(next, other); !errors.Is(err, ErrEntry) {
					t.Fatalf("%s after %d of %d entries: %v", other.Kind, i, len(entries), err)
				}
			}
		}
		var err error
		if next, err = Apply(next, e); err != nil {
			t.Fatal(err)
		}
	}
	if next.Awaited != 0 {
		t.Errorf("%d are awaited", next.Awaited)
	}
	for _, e := range []Entry{entries[0], entries[1], {V: 1, Kind: Kept}} {
		if _, err := Apply(next, e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s after all: %v", e.Kind, err)
		}
	}
}
