package opening

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
	"atrium/storage"
)

// Sum is an opened aggregate over all groups that held.
type Sum struct {
	Vector     []float64               // in the layout of the plan's Format for the kind
	Submitters int                     // hospitals in it
	Groups     []GroupResult           // one a group of the charter
	Used       []federation.HospitalID // custodians whose share sums agree with the result
	Wrong      []federation.HospitalID // custodians whose share sums do not
	Encrypted  map[federation.Digest][]byte
}

// ErrNotOpened: no group could be opened with these answers.
var ErrNotOpened = errors.New("the sum could not be opened")

// Open opens the sum of a round. A group that does not hold is left out with its
// reason; if none holds the error is ErrNotOpened and says why.
func Open(ctx context.Context, b storage.Bucket, r Round, answers []ShareSums) (Sum, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return Sum{}, err
	}
	out := Sum{Vector: make([]float64, r.Header.Format.Count()), Encrypted: map[federation.Digest][]byte{}}
	wrong := map[federation.HospitalID]bool{}
	for g, members := range r.Submitters.Groups {
		if len(members) == 0 {
			out.Groups = append(out.Groups, GroupResult{Group: g, Reason: "too few submitters"})
			continue
		}
		opened, err := r.openGroup(ctx, b, params, g, answers)
		if err != nil && !refusedSum(err) {
			return Sum{}, err
		}
		result := GroupResult{Group: g, Submitters: len(members), Ciphertext: opened.digest}
		if err != nil {
			result.Reason, result.Submitters = err.Error(), 0
		} else {
			out.add(opened, len(members))
		}
		for _, c := range opened.wrong {
			wrong[c] = true
		}
		if opened.ciphertext != nil {
			out.Encrypted[opened.digest] = opened.ciphertext
		}
		out.Groups = append(out.Groups, result)
	}
	out.sortCustodians(answers, wrong)
	if out.Submitters == 0 {
		return Sum{}, fmt.Errorf("%w: %s", ErrNotOpened, reasons(out.Groups))
	}
	return out, nil
}

// refusedSum: errors that say that the sum itself is bad, not the machine we run on.
func refusedSum(err error) bool {
	for _, sentinel := range []error{he.ErrNoise, he.ErrRange, he.ErrKeySum, he.ErrWire,
		shamir.ErrNoConsistentSubset, shamir.ErrAmbiguous} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

func reasons(groups []GroupResult) string {
	text := ""
	for _, g := range groups {
		if g.Reason != "" {
			text += fmt.Sprintf("group %d: %s; ", g.Group, g.Reason)
		}
	}
	return text[:max(0, len(text)-2)]
}

func (s *Sum) add(o openedGroup, submitters int) {
	s.Submitters += submitters
	for i, v := range o.vector {
		s.Vector[i] = float64(s.Vector[i] + v)
	}
}

func (s *Sum) sortCustodians(answers []ShareSums, wrong map[federation.HospitalID]bool) {
	for _, a := range answers {
		if wrong[a.Custodian] {
			s.Wrong = append(s.Wrong, a.Custodian)
		} else {
			s.Used = append(s.Used, a.Custodian)
		}
	}
	slices.Sort(s.Used)
	slices.Sort(s.Wrong)
}

type openedGroup struct {
	vector     []float64
	ciphertext []byte
	digest     federation.Digest
	wrong      []federation.HospitalID
}

func (r Round) openGroup(ctx context.Context, b storage.Bucket, params *he.Parameters, g int, answers []ShareSums) (openedGroup, error) {
	var out openedGroup
	total, err := r.sumGroup(ctx, b, params, g)
	if err != nil {
		return out, err
	}
	out.ciphertext = total.marshal()
	out.digest = federation.Sum(out.ciphertext)
	n := len(r.Submitters.Groups[g])
	candidates, points, err := r.keySums(g, n, answers)
	if err != nil {
		return out, err
	}
	fields := make([]uint64, r.Header.Format.Count())
	for _, c := range candidates {
		err = total.open(params, federation.PublicSeed(r.Manifest, g), c.Secret, n, fields)
		if err != nil {
			continue
		}
		for _, point := range c.Wrong {
			out.wrong = append(out.wrong, points[point])
		}
		out.vector = make([]float64, len(fields))
		return out, r.Header.Format.Dequantise(out.vector, fields, n)
	}
	return out, err
}

// keySums returns the possible sums of one-time keys of a group.
func (r Round) keySums(g, n int, answers []ShareSums) ([]shamir.Candidate, map[int]federation.HospitalID, error) {
	var points []int
	var sums [][]uint16
	names := map[int]federation.HospitalID{}
	for _, a := range answers {
		point, ok := r.Charter.Point(a.Custodian)
		if !ok || a.ByGroup[g] == nil {
			return nil, nil, fmt.Errorf("answer of %s: no share sum of group %d", a.Custodian, g)
		}
		points, sums = append(points, point), append(sums, a.ByGroup[g])
		names[point] = a.Custodian
	}
	candidates, err := shamir.Candidates(points, sums, r.Charter.Threshold, int32(28*n))
	return candidates, names, err
}

// Note gives the reasons of the groups that are left out, in words; empty if none.
func (s Sum) Note() string { return reasons(s.Groups) }
