package participant

import (
	"errors"
	"fmt"
	"testing"

	"atrium/coordinator/federation"
)

// guardedState is a custodian of seven hospitals: K = 4, h = 2, so that two sums on near
// versions are of the same hospitals or differ by six.
func guardedState(t *testing.T) State {
	c := testCharter(7, 7, 5, 2)
	c.Guard = .001
	s := State{Self: c.Custodians[0], Charter: c, Seen: federation.TreeHead{Size: 1}}
	return mustApply(t, s, Start(federation.Sum([]byte("run 1"))), nil)
}

// under joins the round and accepts its manifest, on a base that is at a place of a line.
func (s State) under(t *testing.T, round uint64, kind federation.RoundKind, at float32, adjust func(*federation.VerifiedManifest)) (State, federation.VerifiedManifest) {
	t.Helper()
	return s.underMonth(t, round, kind, at, "", adjust)
}

// underMonth is under for an evaluation of a month.
func (s State) underMonth(t *testing.T, round uint64, kind federation.RoundKind, at float32, month federation.Month, adjust func(*federation.VerifiedManifest)) (State, federation.VerifiedManifest) {
	t.Helper()
	h := testHeader(s.Charter, testPlan(), round)
	h.Kind, h.Version, h.Newest, h.Parameters = kind, round, round, federation.Sum(fmt.Append(nil, at))
	h.Part, h.Format = month, testPlan().Format(kind)
	h.Questions = testPlan().QuestionsOf(kind, h.Parameters, month)
	h.Ring = federation.Ring{Count: h.Format.Count(), Bits: h.Format.Bits, GroupSize: s.Charter.LargestGroup()}
	entries, err := TakeSketch(s, h.Parameters, &federation.Sketch{1, at})
	s = mustApply(t, s, entries, err)
	s, m, err := joinAndAccept(t, s, h, fmt.Sprint("M", round), adjust)
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// TestGuardRefusesWithoutOne: a coordinator that lies lets the base stand nearly still and
// asks all, then all but one. The custodian is not ready, whatever happened in between; it is
// for the same hospitals, and where the base is far.
func TestGuardRefusesWithoutOne(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	s, m := s.under(t, 1, federation.Train, 0, nil)
	s, err := send(s, m, candidateOf(m.Digest, all...))
	if err != nil {
		t.Fatal(err)
	}
	s, m = s.under(t, 2, federation.Train, 1, nil)
	if s, err = send(s, m, candidateOf(m.Digest, all[1:]...)); err != nil {
		t.Fatalf("on a base that is far: %v", err)
	}
	restarted := mustApply(t, s, Start(federation.Sum([]byte("run 2"))), nil)
	compacted := State{Self: s.Self, Charter: s.Charter}
	for _, e := range Compact(s) {
		read, err := DecodeEntry(federation.Encode(e))
		compacted = mustApply(t, compacted, []Entry{read}, err)
	}
	if !compacted.Remembers(s) {
		t.Error("a compacted journal says something else")
	}
	compacted = mustApply(t, compacted, Start(federation.Sum([]byte("run 2"))), nil)
	for name, s := range map[string]State{"at once": s, "restarted": restarted, "compacted": compacted} {
		s, m := s.under(t, 3, federation.Train, .0005, nil)
		if _, err := send(s, m, candidateOf(m.Digest, all[:6]...)); !errors.Is(err, federation.ErrGuard) {
			t.Errorf("%s: without one: %v", name, err)
		}
		if _, err := send(s, m, candidateOf(m.Digest, all...)); err != nil {
			t.Errorf("%s: the same hospitals: %v", name, err)
		}
	}
	s.Charter.Guard = 0
	s, m = s.under(t, 4, federation.Train, .0005, nil)
	if _, err := send(s, m, candidateOf(m.Digest, all[:6]...)); err != nil {
		t.Errorf("without a guard: %v", err)
	}
}

// TestGuardOfWhatWasReleased: a sum that every hospital released in its Join keeps nobody from
// another on its question that leaves one out; on a question near it, it does, and so does one that
// a single hospital did not release.
func TestGuardOfWhatWasReleased(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	s, first := s.under(t, 1, federation.Train, 0, nil)
	s, err := send(s, first, candidateOf(first.Digest, all...))
	if err != nil {
		t.Fatal(err)
	}
	free, m := s.under(t, 2, federation.Train, 0, releasing(first.Digest))
	c := candidateOf(m.Digest, all[:6]...)
	free = restarted(t, readyFor(t, free, m, c, nil))
	if err := MaySend(free, m.Digest, c.Digest()); err != nil {
		t.Errorf("released by all: %v", err)
	}
	near, m := s.under(t, 2, federation.Train, .0005, releasing(first.Digest))
	if _, err := send(near, m, candidateOf(m.Digest, all[:6]...)); !errors.Is(err, federation.ErrGuard) {
		t.Errorf("another question, by that release: %v", err)
	}
	held, m := s.under(t, 2, federation.Train, .0005, releasing(first.Digest, 6))
	if _, err := send(held, m, candidateOf(m.Digest, all[:6]...)); !errors.Is(err, federation.ErrGuard) {
		t.Errorf("released by all but one: %v", err)
	}
}

// TestGuardAtTheSend: a custodian may be ready for two candidates of two manifests that are
// too like; it sends for one.
func TestGuardAtTheSend(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	s, first := s.under(t, 1, federation.Train, 0, nil)
	a := candidateOf(first.Digest, all...)
	s = readyFor(t, s, first, a, nil)
	s, second := s.under(t, 2, federation.Train, .0005, nil)
	s, err := send(s, second, candidateOf(second.Digest, all[:6]...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := SendFor(s, first.Digest, a.Digest(), federation.Sum([]byte("signed"))); !errors.Is(err, federation.ErrGuard) {
		t.Errorf("it sends for both: %v", err)
	}
}

// TestGuardForgetsWhatWasBurned: what a certificate shows was never opened does not bind.
func TestGuardForgetsWhatWasBurned(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	for _, kind := range []federation.RoundKind{federation.Train, federation.Evaluate} {
		s, first := s.under(t, 1, kind, 0, nil)
		s, err := send(s, first, candidateOf(first.Digest, all...))
		if err != nil {
			t.Fatal(err)
		}
		s, m := s.under(t, 2, kind, 0, func(m *federation.VerifiedManifest) { certify(s.Charter, m, first.Digest) })
		if _, err := send(s, m, candidateOf(m.Digest, all[1:]...)); err != nil {
			t.Errorf("%s, burned: %v", kind, err)
		}
	}
}

// TestEvaluationsAreOfTheFirst: whatever the distance, the plan, and without a guard,
// evaluations are of whom the first in the epoch was of. Training is not bound by them.
func TestEvaluationsAreOfTheFirst(t *testing.T) {
	s := guardedState(t)
	s.Charter.Guard = 0
	all := s.Charter.Groups[0]
	s, m := s.under(t, 1, federation.Evaluate, 0, nil)
	s, err := send(s, m, candidateOf(m.Digest, all[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	s, m = s.under(t, 2, federation.Evaluate, 5, nil)
	if _, err := send(s, m, candidateOf(m.Digest, all...)); !errors.Is(err, ErrLine) {
		t.Errorf("of one more: %v", err)
	}
	if s, err = send(s, m, candidateOf(m.Digest, all[1:]...)); err != nil {
		t.Errorf("of the same: %v", err)
	}
	s, m = s.under(t, 3, federation.Train, 6, nil)
	if _, err := send(s, m, candidateOf(m.Digest, all...)); err != nil {
		t.Errorf("training: %v", err)
	}
	next := s
	next.Lines, next.Opened = []Line{}, []federation.Opened{{}}
	next, err = applyBegan(next, Entry{V: 1, Kind: Began, Digest: federation.Sum([]byte("next")), Epoch: next.Epoch + 2})
	if err != nil || next.Lines != nil || next.Opened != nil {
		t.Errorf("the next epoch begins with %v, %v: %v", next.Lines, next.Opened, err)
	}
}

// TestLineOutlivesItsFirstManifest: a certificate of the manifest that an evaluation line began
// with says nothing of what was sent later under it: the line stands until the last is burned.
func TestLineOutlivesItsFirstManifest(t *testing.T) {
	s := guardedState(t)
	s.Charter.Guard = 0
	all := s.Charter.Groups[0]
	var sent []federation.Digest
	for round := uint64(1); round <= 2; round++ {
		next, m := s.under(t, round, federation.Evaluate, float32(round), nil)
		next, err := send(next, m, candidateOf(m.Digest, all[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		s, sent = next, append(sent, m.Digest)
	}
	compacted := State{Self: s.Self, Charter: s.Charter}
	for _, e := range Compact(s) {
		compacted = mustApply(t, compacted, []Entry{e}, nil)
	}
	compacted = mustApply(t, compacted, Start(federation.Sum([]byte("run 2"))), nil)
	for name, s := range map[string]State{"at once": s, "compacted": compacted} {
		for _, burned := range [][]federation.Digest{sent[:1], sent[1:], sent} {
			s, m := s.under(t, 3, federation.Evaluate, 3, func(m *federation.VerifiedManifest) { certify(s.Charter, m, burned...) })
			_, err := send(s, m, candidateOf(m.Digest, all...))
			if free := len(burned) == len(sent); free != (err == nil) || err != nil && !errors.Is(err, ErrLine) {
				t.Errorf("%s, %d of %d burned: of one more: %v", name, len(burned), len(sent), err)
			}
			if _, err := send(s, m, candidateOf(m.Digest, all[1:]...)); err != nil {
				t.Errorf("%s, %d of %d burned: of the same: %v", name, len(burned), len(sent), err)
			}
		}
	}
}

// TestLineThatIsFull: where more was sent under a line than is remembered it stands until the
// epoch ends.
func TestLineThatIsFull(t *testing.T) {
	s := guardedState(t)
	o := federation.Opened{Kind: federation.Evaluate, Set: s.Charter.Groups}
	for i := range MaxLine + 1 {
		o.Manifest = federation.Sum(fmt.Append(nil, i))
		s = s.noted(&o)
	}
	for i := range MaxLine {
		s = s.unopened(federation.Sum(fmt.Append(nil, i)))
	}
	o.Manifest, o.Set = federation.Sum([]byte("other")), [][]federation.HospitalID{s.Charter.Groups[0][1:]}
	if err := s.guarded(&o); !errors.Is(err, ErrLine) || len(s.Lines) != 1 || len(s.Lines[0].Manifests) != MaxLine {
		t.Errorf("after %d burns: %v", MaxLine, err)
	}
}
