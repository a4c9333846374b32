package participant

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
)

// The transition under test: five custodians, t = 4, f = 1. All answered nothing but the
// first world's question; four close.
func begin(t *testing.T, s State, closers []State, adjust func(*federation.Transition)) ([]Entry, federation.Charter, error) {
	t.Helper()
	after := s.Charter
	after.Epoch, after.Previous, after.Closings = s.Charter.Epoch+1, s.Charter.Digest(), nil
	tr := federation.Transition{Old: s.Charter, New: after}
	for _, c := range closers {
		statement, err := ClosingOf(c, random, readiesOf(c.Charter))
		if err != nil {
			t.Fatal(err)
		}
		blob := federation.Sum(federation.Encode(statement))
		tr.Closings = append(tr.Closings, verifiedClosing(t, statement, blob))
		tr.New.Closings = append(tr.New.Closings, blob)
	}
	if adjust != nil {
		adjust(&tr)
	}
	entries, err := BeginEpoch(s, tr, nil)
	return entries, tr.New, err
}

// readiesOf shows for every candidate of the first world that t custodians were ready. The
// tests do without signatures.
func readiesOf(c federation.Charter) Shows {
	return func(manifest, candidate federation.Digest) *federation.Proof {
		p := &federation.Proof{}
		for _, id := range c.Custodians[:c.Threshold] {
			for set := range 3 {
				if candidateOf(manifest, c.Groups[0][set:set+3]...).Digest() != candidate {
					continue
				}
				asks := federation.AsksDigest(testHeader(c, testPlan(), 1).Questions, federation.SetDigest([][]federation.HospitalID{c.Groups[0][set : set+3]}))
				p.Readies = append(p.Readies, federation.Signed{Signer: id,
					Body: federation.Encode(federation.Ready{V: 1, Manifest: manifest, Candidate: candidate, Custodian: id, Asks: asks})})
			}
		}
		return p
	}
}

func verifiedClosing(t *testing.T, c federation.Closing, blob federation.Digest) federation.VerifiedClosing {
	t.Helper()
	v := federation.VerifiedClosing{Closing: c, Blob: blob}
	for _, a := range c.Answered {
		if a.Proof == nil {
			v.Proofs = append(v.Proofs, nil)
			continue
		}
		p := &federation.VerifiedProof{}
		for _, signed := range a.Proof.Readies {
			r, err := federation.Decode[federation.Ready](signed.Body, federation.MaxMessageBytes)
			if err != nil {
				t.Fatal(err)
			}
			p.Readies = append(p.Readies, r)
		}
		v.Proofs = append(v.Proofs, p)
	}
	return v
}

// pinned is a custodian in epoch 1 that joined, verified and, if set is not negative,
// sent.
func pinned(t *testing.T, custodian, set int) State {
	t.Helper()
	c := testCharter(5, 4, 3, 1) // m = 4, t = 3
	s := State{Self: c.Custodians[custodian], Charter: c}
	entries, err := Pin(s)
	s = mustApply(t, s, entries, err)
	s = mustApply(t, s, Start(federation.Sum([]byte("run 1"))), nil)
	seen, err := See(s, federation.TreeHead{Size: 1})
	s = mustApply(t, s, seen, err)
	s, m, err := joinAndAccept(t, s, testHeader(c, testPlan(), 1), "M1", nil)
	if err != nil || set < 0 {
		return s
	}
	s, err = send(s, m, candidateOf(m.Digest, c.Groups[0][set:set+3]...))
	return mustApply(t, s, nil, err)
}

// nextEpoch brings s into the epoch after, and under a manifest of the same question.
func nextEpoch(t *testing.T, s State, closers []State, certified bool) (State, federation.VerifiedManifest) {
	t.Helper()
	old := s.Charter
	entries, after, err := begin(t, s, closers, nil)
	s = mustApply(t, s, entries, err)
	s.Charter = after
	if s.Pinned != after.Digest() || s.Epoch != 2 {
		t.Fatalf("pinned %s of epoch %d", s.Pinned.Short(), s.Epoch)
	}
	s, m, err := joinAndAccept(t, s, testHeader(after, testPlan(), 2), "M2", func(m *federation.VerifiedManifest) {
		if certified {
			certify(old, m, federation.Sum([]byte("M1")))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

func ask(s State, m federation.VerifiedManifest, n int) error {
	_, err := send(s, m, candidateOf(m.Digest, s.Charter.Groups[0][n:n+3]...))
	return err
}

// TestQuestionsOutliveAnEpoch: S was opened in epoch 1; in epoch 2 no custodian answers the
// question, for whatever hospitals, whether it sent, only watched, or is new.
func TestQuestionsOutliveAnEpoch(t *testing.T) {
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), pinned(t, 3, -1)} // custodian 2 sent too and stays silent
	stranger := State{Self: closers[0].Charter.Groups[0][4], Charter: closers[0].Charter, Seen: federation.TreeHead{Size: 1}}
	for name, s := range map[string]State{
		"one that answered": closers[0], "one that did not": closers[2], "one that did not close": pinned(t, 2, 0), "one without a journal": stranger,
	} {
		s, m := nextEpoch(t, s, closers, false)
		if s.IsCustodian() {
			for set := range 2 {
				if err := ask(s, m, set); !errors.Is(err, ErrAnswered) {
					t.Errorf("%s: set %d: %v", name, set, err)
				}
			}
		}
		if len(s.Bound) != 1 || s.Bound[0].Manifest != federation.Sum([]byte("M1")) {
			t.Errorf("%s: bound by %v", name, s.Bound)
		}
	}
}

// TestBurnsOfALaterEpochReleaseNothing: custodians of epoch 2 sign no burn of a manifest
// that was sent under before, and a certificate of such burns changes nothing.
func TestBurnsOfALaterEpochReleaseNothing(t *testing.T) {
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), pinned(t, 3, -1)}
	for _, before := range closers {
		s, m := nextEpoch(t, before, closers, true)
		if err := ask(s, m, 1); !errors.Is(err, ErrAnswered) {
			t.Errorf("with a certificate of later burns: %v", err)
		}
		want := ErrEpoch
		if recalled, _ := s.Recall(federation.Sum([]byte("M1"))); recalled.HasSent() {
			want = ErrSent
		}
		if entries, err := BurnManifest(s, 1, federation.Sum([]byte("M1")), 1); !errors.Is(err, want) || entries != nil {
			t.Errorf("burn of an answered manifest of epoch 1: %v, %v, want %v", entries, err, want)
		}
	}
}

// TestClosingStatementsBurn: one custodian sent, too few for a sum; the three others
// close without it, so the question is free in the next epoch.
func TestClosingStatementsBurn(t *testing.T) {
	closers := []State{pinned(t, 0, 0), pinned(t, 1, -1), pinned(t, 2, -1), pinned(t, 3, -1)}
	for _, s := range closers[:2] {
		s, m := nextEpoch(t, s, closers, false)
		if err := ask(s, m, 1); err != nil {
			t.Errorf("another set: %v", err)
		}
	}
	s, m := nextEpoch(t, closers[0], closers[:3], false) // three statements, two of them burns: not enough
	if err := ask(s, m, 1); !errors.Is(err, ErrAnswered) {
		t.Errorf("with two burns of three: %v", err)
	}
}

// TestReleasedInTheNextEpoch: what was sent for in an earlier epoch is asked once more, of any
// hospitals, when every hospital of the charter released it.
func TestReleasedInTheNextEpoch(t *testing.T) {
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), pinned(t, 3, -1)}
	first := federation.Sum([]byte("M1"))
	for _, before := range append(closers, pinned(t, 2, 0)) {
		s, _ := nextEpoch(t, before, closers, false)
		for name, x := range map[string]struct {
			adjust func(*federation.VerifiedManifest)
			want   error
		}{
			"all of them":       {releasing(first), nil},
			"all but one":       {releasing(first, 4), ErrAnswered},
			"all but itself":    {releasing(first, slices.Index(s.Charter.Groups[0], s.Self)), ErrAnswered},
			"all, but another":  {releasing(federation.Sum([]byte("M0"))), ErrAnswered},
			"all, but this one": {releasing(federation.Sum([]byte("M3"))), ErrAnswered},
		} {
			s, m, err := joinAndAccept(t, restarted(t, s), testHeader(s.Charter, testPlan(), 3), "M3", x.adjust)
			if err != nil {
				t.Fatal(err)
			}
			if err := ask(s, m, 1); !errors.Is(err, x.want) {
				t.Errorf("released by %s: %v", name, err)
			}
		}
	}
}

// TestStuckQuestionInTheNextEpoch: of four custodians two sent, one lost its disk and one is
// silent. Three close; the question stays answered, and is asked again once all released it.
func TestStuckQuestionInTheNextEpoch(t *testing.T) {
	first := federation.Sum([]byte("M1"))
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), silent(t, pinned(t, 2, -1))}
	for _, before := range closers {
		s, m := nextEpoch(t, before, closers, false)
		if err := ask(s, m, 1); !errors.Is(err, ErrAnswered) {
			t.Errorf("not released: %v", err)
		}
		s, m, err := joinAndAccept(t, restarted(t, s), testHeader(s.Charter, testPlan(), 3), "M3", releasing(first))
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(s, m, 1); err != nil {
			t.Errorf("released: %v", err)
		}
	}
}

// TestFailedIsAnsweredInTheNextEpoch: that no group of what was opened held lets nobody be asked
// again once the epoch is over, not even the same hospitals: only a release does.
func TestFailedIsAnsweredInTheNextEpoch(t *testing.T) {
	var closers []State
	for i := range 3 {
		s := pinned(t, i, 0)
		entries, err := NoGroupHeld(s, s.Memory[0].Manifest, s.Memory[0].Candidate)
		closers = append(closers, mustApply(t, s, entries, err))
	}
	for _, before := range append(closers, pinned(t, 3, -1)) {
		s, m := nextEpoch(t, before, closers, false)
		for set := range 2 {
			if err := ask(s, m, set); !errors.Is(err, ErrAnswered) {
				t.Errorf("set %d: %v", set, err)
			}
		}
		s, m, err := joinAndAccept(t, restarted(t, s), testHeader(s.Charter, testPlan(), 3), "M3", releasing(federation.Sum([]byte("M1"))))
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(s, m, 0); err != nil {
			t.Errorf("released: %v", err)
		}
	}
}

// TestClosingNamesWhatMayHaveBeenSent: after the loss of its journal a custodian names the
// candidates for which it holds share sums and t were ready.
func TestClosingNamesWhatMayHaveBeenSent(t *testing.T) {
	s := pinned(t, 0, -1)
	m := testManifest(s.Charter, testHeader(s.Charter, testPlan(), 1), federation.Join{Hospital: s.Self}, "M1")
	c := candidateOf(m.Digest, s.Charter.Groups[0][:3]...)
	s = silent(t, readyFor(t, s, m, c, nil))
	statement, err := ClosingOf(s, random, readiesOf(s.Charter))
	if err != nil || len(statement.Answered) != 1 || statement.Answered[0].Candidate != c.Digest() || statement.Answered[0].Proof == nil {
		t.Errorf("named %+v, %v", statement.Answered, err)
	}
	if statement, err = ClosingOf(s, random, noProof); err != nil || len(statement.Answered) != 0 {
		t.Errorf("named though fewer than t were ready: %+v, %v", statement.Answered, err)
	}
	closers := []State{s, pinned(t, 1, -1), pinned(t, 3, -1)}
	next, m2 := nextEpoch(t, pinned(t, 2, -1), closers, false)
	if err := ask(next, m2, 0); !errors.Is(err, ErrAnswered) {
		t.Errorf("asked again: %v", err)
	}
}

// TestEarlierEpochsAreNotRewritten: a hospital that was there knows what the epoch began with.
func TestEarlierEpochsAreNotRewritten(t *testing.T) {
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), pinned(t, 3, -1)}
	var second []State
	for i := range closers {
		s, _ := nextEpoch(t, closers[i], closers, false)
		second = append(second, s)
	}
	if _, _, err := begin(t, second[0], second, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err := begin(t, second[0], second, func(tr *federation.Transition) {
		for i := range tr.Closings {
			tr.Closings[i].Before = []federation.Answered{}
		}
	})
	if !errors.Is(err, ErrEpoch) {
		t.Errorf("all statements forget an answer: %v", err)
	}
}

// TestClosedCustodianDoesNothing: after its closing statement a custodian joins,
// readies and sends nothing, before and after a restart, and says nothing else.
func TestClosedCustodianDoesNothing(t *testing.T) {
	s := pinned(t, 0, -1)
	m := testManifest(s.Charter, testHeader(s.Charter, testPlan(), 1), federation.Join{Hospital: s.Self}, "M1")
	statement := federation.Sum([]byte("signed closing statement"))
	entries, err := CloseEpoch(s, statement)
	closed := mustApply(t, s, entries, err)
	for name, s := range map[string]State{"at once": closed, "restarted": restarted(t, closed)} {
		if err := MayOpen(s, m, candidateOf(m.Digest, s.Charter.Groups[0][:3]...), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: open: %v", name, err)
		}
		if _, err := JoinHeader(s, testPlan(), testHeader(s.Charter, testPlan(), 2)); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: join: %v", name, err)
		}
		if entries, err := CloseEpoch(s, statement); err != nil || entries != nil {
			t.Errorf("%s: the same statement again: %v, %v", name, entries, err)
		}
		if _, err := CloseEpoch(s, m.Digest); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: another statement: %v", name, err)
		}
	}
	outsider := s
	outsider.Self = s.Charter.Groups[0][4]
	if _, err := CloseEpoch(outsider, statement); !errors.Is(err, ErrNotMember) {
		t.Errorf("closing by one who is no custodian: %v", err)
	}
}

// TestPin: a journal belongs to one charter and only goes on to the next by a transition.
func TestPin(t *testing.T) {
	s := pinned(t, 0, 0)
	if entries, err := Pin(s); err != nil || entries != nil {
		t.Errorf("the same charter: %v, %v", entries, err)
	}
	closers := []State{s, pinned(t, 1, 0), pinned(t, 2, 0)}
	entries, after, err := begin(t, s, closers, nil)
	if err != nil {
		t.Fatal(err)
	}
	later := mustApply(t, s, entries, nil)
	for name, c := range map[string]State{
		"epoch 2 without a transition":       {Self: s.Self, Charter: after, Pinned: s.Pinned, Epoch: 1},
		"a new journal in epoch 2":           {Self: s.Self, Charter: after},
		"epoch 1 after epoch 2":              later,
		"another charter of the same epoch":  {Self: s.Self, Charter: testCharter(6, 4, 3, 1), Pinned: s.Pinned, Epoch: 1},
		"the charter of another federation":  {Self: s.Self, Charter: federation.Charter{Federation: "other", Epoch: 1}, Pinned: s.Pinned, Epoch: 1},
		"epoch 2 that is not the one it saw": {Self: s.Self, Charter: federation.Charter{Epoch: 2}, Pinned: after.Digest(), Epoch: 2},
	} {
		if entries, err := Pin(c); !errors.Is(err, ErrEpoch) || entries != nil {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
	if _, _, err := begin(t, later, closers, nil); !errors.Is(err, ErrEpoch) {
		t.Errorf("the same transition again: %v", err)
	}
	later.Charter = after
	if entries, err := Pin(later); err != nil || entries != nil {
		t.Errorf("epoch 2 after its transition: %v, %v", entries, err)
	}
}

// TestTransitionCutShort: a journal that ends anywhere within a transition is bound by no
// less than before, and the transition can be done again.
func TestTransitionCutShort(t *testing.T) {
	s := pinned(t, 3, -1)
	closers := []State{pinned(t, 0, 0), pinned(t, 1, 0), s}
	entries, after, err := begin(t, s, closers, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := mustApply(t, s, entries, nil)
	whole.Charter = after
	for n := range entries {
		cut := mustApply(t, s, entries[:n], nil)
		if cut.Epoch != 1 || len(cut.Bound) != n {
			t.Fatalf("after %d entries: epoch %d, %d answers inherited", n, cut.Epoch, len(cut.Bound))
		}
		again, _, err := begin(t, cut, closers, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := mustApply(t, cut, again, nil)
		done.Charter = after
		if _, err := ClosingOf(done, random, noProof); err != nil {
			t.Errorf("after %d entries: the next epoch cannot be closed: %v", n, err)
		}
		done.Bound = done.Bound[n:]
		if diff := cmp.Diff(whole, done); diff != "" {
			t.Errorf("after %d entries: %s", n, diff)
		}
	}
	for _, e := range entries {
		if read, err := DecodeEntry(federation.Encode(e)); err != nil || !cmp.Equal(read, e) {
			t.Errorf("%s does not survive the journal: %v", e.Kind, err)
		}
	}
}
