package opening

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/privacy/shamir"
	"atrium/storage/storagetest"
)

// TestCombinationOfEncryptions: a hospital adds encryptions of its own, each within its range,
// and submits their sum, which is a ciphertext like any other. What it opens to is within the
// range of the group's sum; the gate drops the group, and the others are summed without it.
func TestCombinationOfEncryptions(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1}, 13)
	p.Privacy = federation.Privacy{Bits: 16, Clip: 1, WeightCap: 1024, MinRecords: 10}
	format := p.Format(federation.Train)
	tail, most := p.TrainTail(), uint32(fixedpoint.Max(16))
	honest := make([]uint32, format.Count())
	for i := range tail {
		honest[i] = most / 2
	}
	honest[tail] = 100
	pushed := make([]uint32, format.Count())
	pushed[3] = most
	run := func(times int) (Sum, error) {
		s := seal(t, storagetest.NewMemory(), format.Count(), 10, false, 10, 10)
		s.round.Plan, s.round.Header.Format = p, format
		for _, a := range s.sends {
			for g := range a.ByGroup {
				a.ByGroup[g] = make([]uint16, s.params.N())
			}
		}
		for g, members := range s.round.Candidate.Groups {
			for i, m := range members {
				list := [][]uint32{honest}
				for range times {
					if g == 0 && i == 0 {
						list = append(list, pushed)
					}
				}
				s.submit(t, g, m.Hospital, list)
			}
		}
		return s.open(t)
	}
	sum, err := run(0)
	if err != nil || sum.Note() != "" || sum.Submitters != 20 {
		t.Fatalf("nobody attacks: %d submitters, %q, %v", sum.Submitters, sum.Note(), err)
	}
	sum, err = run(4) // the others' zeros are 5 clips above the least
	if err != nil || sum.Submitters != 10 || !strings.HasPrefix(sum.Note(), "group 0: gate mean: a coordinate of model/weight is ") {
		t.Errorf("8 clips in a coordinate: %d submitters, %q, %v", sum.Submitters, sum.Note(), err)
	}
	t.Logf("what was one hospital's 8 clips in a coordinate: %s", sum.Note())
	got := make([]float64, format.Count())
	if err := sum.Values(got, 0); err != nil {
		t.Fatal(err)
	}
	if got[3] != 0 || got[tail] != 1000 {
		t.Errorf("of the group that holds: coordinate %v, weight %v", got[3], got[tail])
	}
}

// TestGatesThatAllGroupsFail: the error says that no other share sums will help.
func TestGatesThatAllGroupsFail(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1}, 16)
	p.Privacy.Bits = 16
	format := p.Format(federation.Train)
	s := seal(t, storagetest.NewMemory(), format.Count(), 3, false, 3)
	s.round.Plan, s.round.Header.Format = p, format
	for _, a := range s.sends {
		clear(a.ByGroup[0])
	}
	for _, m := range s.round.Candidate.Groups[0] {
		s.submit(t, 0, m.Hospital, [][]uint32{make([]uint32, format.Count())})
	}
	_, err := s.open(t)
	if !errors.Is(err, ErrNotOpened) || !errors.Is(err, ErrGate) {
		t.Errorf("a group without weight: %v", err)
	}
	for c, a := range s.sends {
		a.ByGroup[0][0] += uint16(1 + c*c*c*1000)
	}
	if _, err = s.open(t); !errors.Is(err, ErrNotOpened) || errors.Is(err, ErrGate) {
		t.Errorf("a group that does not open: %v", err)
	}
}

// submit replaces what a hospital submitted by the sum of encryptions of these vectors.
func (s *sealed) submit(t *testing.T, g int, id federation.HospitalID, list [][]uint32) {
	t.Helper()
	sum := s.params.NewSum()
	for _, fields := range list {
		key, err := s.params.NewKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		shares, err := shamir.Share(key.Coefficients(), s.round.Charter.Threshold, len(s.round.Charter.Custodians), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for c := range s.sends {
			if err := shamir.AddTo(s.sends[c].ByGroup[g], shares[c]); err != nil {
				t.Fatal(err)
			}
		}
		wire, err := s.params.Encrypt(federation.PublicSeed(s.round.Manifest, g), key, fields, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := sum.Add(wire); err != nil {
			t.Fatal(err)
		}
	}
	wire := sum.Marshal()
	submission := federation.Submission{V: 1, Hospital: id, Segments: []federation.Digest{federation.Sum(wire)}}
	s.round.Submissions[id] = submission
	s.put(t, submission, [][]byte{wire})
}
