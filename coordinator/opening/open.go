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

// ErrNotOpened: no group could be opened with these answers.
var ErrNotOpened = errors.New("the sum could not be opened")

// Beside is what OpenAndKeep works with besides the Bucket; both may be nil.
type Beside struct {
	// AtHand returns the bytes with that digest of an update's segment if the caller has
	// them in memory and has checked them, or nil.
	AtHand func(digest federation.Digest) []byte
	// Keep takes blobs that belong to the round, with their digests: each segment of each
	// group's ciphertext sum, and each group's List. It must not hold on to the bytes, and
	// it runs beside the opening.
	Keep func(ctx context.Context, digest federation.Digest, blob []byte) error
}

// Open opens the sum of a round from the ciphertexts of its submitters. A group that
// does not hold is left out with its reason; if none holds the error is ErrNotOpened and
// says why.
func Open(ctx context.Context, b storage.Bucket, r Round, answers []ShareSums) (Sum, error) {
	return OpenAndKeep(ctx, b, r, answers, Beside{})
}

// OpenAndKeep is Open that hands out what OpenSums needs later.
func OpenAndKeep(ctx context.Context, b storage.Bucket, r Round, answers []ShareSums, beside Beside) (Sum, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return Sum{}, err
	}
	return open(ctx, r, params, answers, &ciphertexts{round: r, bucket: b, params: params, atHand: beside.AtHand}, beside)
}

// OpenSums opens the sum of a round from the ciphertext sums that a result names, with
// the same checks: it says what the sum was if those are what the ciphertexts added up
// to. groups has one List a group of the charter.
func OpenSums(ctx context.Context, b storage.Bucket, r Round, answers []ShareSums, groups []List) (Sum, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return Sum{}, err
	}
	return open(ctx, r, params, answers, &sums{bucket: b, params: params, groups: groups}, Beside{})
}

func open(ctx context.Context, r Round, params *he.Parameters, answers []ShareSums, from source, beside Beside) (Sum, error) {
	out := newSum(r)
	o := opener{round: r, params: params, segments: segments(params), source: from, keep: beside.Keep, sum: &out}
	wrong, opened := map[federation.HospitalID]bool{}, true
	for g, members := range r.Submitters.Groups {
		result := GroupResult{Group: g, Reason: tooFew}
		if len(members) > 0 {
			group, err := o.open(ctx, g, answers)
			if err != nil {
				return Sum{}, err
			}
			result, opened = group.result, opened && (group.gate || group.result.Reason == "")
			for _, c := range group.wrong {
				wrong[c] = true
			}
		}
		out.Groups = append(out.Groups, result)
		out.Submitters += result.Submitters
	}
	out.sortCustodians(answers, wrong)
	return out, out.held(opened)
}

// held is the error of a sum of which no group holds. It wraps ErrGate too where all of them
// opened: then no other share sums will help.
func (s Sum) held(opened bool) error {
	switch {
	case s.Submitters > 0:
		return nil
	case opened:
		return fmt.Errorf("%w: %w: %s", ErrNotOpened, ErrGate, reasons(s.Groups))
	}
	return fmt.Errorf("%w: %s", ErrNotOpened, reasons(s.Groups))
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

// keySums returns the possible sums of one-time keys of a group.
func (r Round) keySums(g int, answers []ShareSums) ([]shamir.Candidate, map[int]federation.HospitalID, error) {
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
	bound := int32(he.NoiseBound * len(r.Submitters.Groups[g]))
	candidates, err := shamir.Candidates(points, sums, r.Charter.Threshold, bound)
	return candidates, names, err
}
