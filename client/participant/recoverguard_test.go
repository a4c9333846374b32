package participant

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// TestRecoveredTakesNobodysWord: a custodian whose journal ends with its ready for M1 over all recovers.
// The coordinator shows the whole log, and says besides that it "stood" for another candidate of M1.
// Guard and line keep what it was ready for.
func TestRecoveredTakesNobodysWord(t *testing.T) {
	s := guardedState(t)
	all := s.Charter.Groups[0]
	s, m1 := s.under(t, 1, federation.Train, 0, nil)
	s = readyFor(t, s, m1, candidateOf(m1.Digest, all...), nil) // and it sent, which the journal lost
	made := candidateOf(federation.Sum([]byte("another manifest")), all[:6]...)
	for _, lie := range []bool{false, true} {
		var recalls []Recall
		if lie {
			recalls = append(recalls, Recall{Manifest: m1.Digest, Round: 1, Epoch: 1, Questions: s.Live.Questions, Message: made.Digest(), Candidate: made.Digest(),
				Set: federation.SetDigest(made.Set()), Opens: Opens(s, federation.Opened{Manifest: m1.Digest, Kind: federation.Train, Set: made.Set(), Sketch: s.SketchOf(s.Live.Base.Parameters)})})
		}
		entries, err := Recover(s, s.Counter, recalls)
		r := mustApply(t, s, entries, err)
		r = mustApply(t, r, Start(federation.Sum([]byte("run 2"))), nil)
		r, m2 := r.under(t, 2, federation.Train, .0005, nil)
		_, err = send(r, m2, candidateOf(m2.Digest, all[:6]...))
		if !errors.Is(err, federation.ErrGuard) {
			t.Errorf("lie %v: a sum without one hospital near the base of M1: %v", lie, err)
		}
	}
}
