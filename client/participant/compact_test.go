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
// submits, answers, burns, does neither, or learns of a burn certificate.
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
		what := rng.IntN(4)
		if what != 3 {
			entries, err = Submit(s, m.Digest, federation.Sum(fmt.Append(nil, "submission ", i)))
			s = mustApply(t, s, entries, err)
		}
		switch what {
		case 0:
			set := rng.IntN(3)
			entries, err = AnswerWith(s, m, submittersOf(m.Digest, c.Groups[0][set:set+3]...), federation.Sum(fmt.Append(nil, "answer ", i)))
		case 1:
			entries, err = BurnManifest(s, h.Round, m.Digest)
		default:
			continue
		}
		s = mustApply(t, s, entries, err)
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

// TestCompactKeepsEveryAnswer: after it, all that the state is ever asked about old
// manifests is answered as before, and what is left out was nothing that binds.
func TestCompactKeepsEveryAnswer(t *testing.T) {
	for seed := range uint64(20) {
		s := history(t, seed, 60)
		short := again(t, s)
		if len(short.Memory) >= len(s.Memory) || short.Counter != s.Counter || short.Seen != s.Seen || short.Submitted() != s.Submitted() {
			t.Fatalf("seed %d: %d of %d manifests, join %d, %d submissions", seed, len(short.Memory), len(s.Memory), short.Counter, short.Submitted())
		}
		before, err := ClosingOf(s)
		after, err2 := ClosingOf(short)
		if err != nil || err2 != nil || !bytes.Equal(federation.Encode(before), federation.Encode(after)) {
			t.Errorf("seed %d: another closing statement: %v, %v", seed, err, err2)
		}
		for _, m := range s.Memory {
			_, was := BurnManifest(s, 1, m.Manifest)
			_, is := BurnManifest(short, 1, m.Manifest)
			if (was == nil) != (is == nil) || errors.Is(was, ErrAnswered) != errors.Is(is, ErrAnswered) {
				t.Errorf("seed %d: burn of %s: %v, was %v", seed, m.Manifest.Short(), is, was)
			}
			if m.Answered() {
				checkSameAnswers(t, s, short, m)
			}
		}
		if twice := again(t, short); !twice.Remembers(short) || twice.Submitted() != s.Submitted() {
			t.Errorf("seed %d: compacting twice gives something else", seed)
		}
	}
}

// checkSameAnswers asks both states the question of an old answer again, for every set.
func checkSameAnswers(t *testing.T, s, short State, m Memory) {
	t.Helper()
	ask := func(s State, set int) error {
		s.Live = Live{Incarnation: s.Live.Incarnation, Questions: m.Questions, Manifest: federation.Sum([]byte("new"))}
		manifest := testManifest(s.Charter, testHeader(s.Charter, testPlan(), 99), federation.Join{Hospital: s.Self}, "new")
		return MayAnswer(s, manifest, submittersOf(manifest.Digest, s.Charter.Groups[0][set:set+3]...))
	}
	allowed := 0
	for set := range 3 {
		was, is := ask(s, set), ask(short, set)
		if (was == nil) != (is == nil) || errors.Is(was, ErrOtherAnswer) != errors.Is(is, ErrOtherAnswer) {
			t.Errorf("set %d on the question of round %d: %v, was %v", set, m.Round, is, was)
		}
		if is == nil {
			allowed++
		}
	}
	if want := map[bool]int{true: 3, false: 1}[m.Certified]; allowed != want {
		t.Errorf("round %d, certified %v: %d sets may be answered", m.Round, m.Certified, allowed)
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
		was := MayAnswer(s, m, submittersOf(m.Digest, s.Charter.Groups[0][set:set+3]...))
		is := MayAnswer(short, m, submittersOf(m.Digest, s.Charter.Groups[0][set:set+3]...))
		if (was == nil) != (is == nil) {
			t.Errorf("set %d: %v, was %v", set, is, was)
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
