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

// ErrNotOpened: no group could be opened with these share sums.
var ErrNotOpened = errors.New("the sum could not be opened")

// ErrSum: what a candidate names is not the sum of its ciphertexts, or not a sum.
var ErrSum = errors.New("the ciphertext sum is not that of the candidate")

// Open opens the sum of a round from C, the ciphertext sums that its candidate names. That
// these are the sums of what was submitted is for the caller to know (see Add). A group that
// does not hold is left out with its reason; if none holds the error is ErrNotOpened and
// says why.
func Open(ctx context.Context, b storage.Bucket, r Round, sends []ShareSums) (Sum, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return Sum{}, err
	}
	lists, err := r.lists(ctx, b, params)
	if err != nil {
		return Sum{}, err
	}
	return open(ctx, r, params, sends, &sums{bucket: b, params: params, groups: lists})
}

// lists reads which segments C of each group consists of.
func (r Round) lists(ctx context.Context, b storage.Bucket, params *he.Parameters) ([]List, error) {
	lists := make([]List, len(r.Candidate.Groups))
	for g, members := range r.Candidate.Groups {
		if len(members) == 0 {
			continue
		}
		raw, err := storage.GetBlob(ctx, b, r.Candidate.Sums[g], MaxListBytes)
		if err != nil {
			return nil, err
		}
		if lists[g], err = DecodeList(raw); err != nil {
			return nil, fmt.Errorf("group %d: %w: %w", g, ErrSum, err)
		}
		if have, want := len(lists[g].Segments), len(params.Segments(SegmentTarget)); have != want {
			return nil, fmt.Errorf("group %d: %w: %d segments, want %d", g, ErrSum, have, want)
		}
	}
	return lists, nil
}

func open(ctx context.Context, r Round, params *he.Parameters, answers []ShareSums, from source) (Sum, error) {
	out := newSum(r)
	o := opener{round: r, params: params, segments: segments(params), source: from, sum: &out}
	out.Final = true
	wrong := map[federation.HospitalID]bool{}
	for g, members := range r.Candidate.Groups {
		result := GroupResult{Group: g, Reason: tooFew}
		if len(members) > 0 {
			group, err := o.open(ctx, g, answers)
			if err != nil {
				return Sum{}, err
			}
			result, out.Final = group.result, out.Final && (group.gate || group.result.Reason == "")
			for _, c := range group.wrong {
				wrong[c] = true
			}
		}
		out.Groups = append(out.Groups, result)
		out.Submitters += result.Submitters
	}
	out.sortCustodians(answers, wrong)
	return out, out.held()
}

// held is the error of a sum of which no group holds. It wraps ErrGate too where all of them
// opened: then no other share sums will help.
func (s Sum) held() error {
	switch {
	case s.Submitters > 0:
		return nil
	case s.Final:
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

// keySums returns the possible sums of one-time keys of a group. What is no share sum is left
// out of them.
func (r Round) keySums(g int, answers []ShareSums) ([]shamir.Candidate, map[int]federation.HospitalID, error) {
	var points []int
	var sums [][]uint16
	names := map[int]federation.HospitalID{}
	for _, a := range answers {
		point, ok := r.Charter.Point(a.Custodian)
		if !ok || len(a.ByGroup) != len(r.Candidate.Groups) {
			return nil, nil, fmt.Errorf("answer of %s: %d share sums for %d groups", a.Custodian, len(a.ByGroup), len(r.Candidate.Groups))
		}
		if a.ByGroup[g] == nil {
			continue
		}
		points, sums = append(points, point), append(sums, a.ByGroup[g])
		names[point] = a.Custodian
	}
	if len(points) < r.Charter.Threshold {
		return nil, names, fmt.Errorf("%d share sums, threshold %d: %w", len(points), r.Charter.Threshold, shamir.ErrNoConsistentSubset)
	}
	bound := int32(he.NoiseBound * len(r.Candidate.Groups[g]))
	candidates, err := shamir.Candidates(points, sums, r.Charter.Threshold, bound)
	return candidates, names, err
}

// noShareSum lists who signed something that is no share sum of a group.
func noShareSum(g int, answers []ShareSums) []federation.HospitalID {
	var list []federation.HospitalID
	for _, a := range answers {
		if a.ByGroup[g] == nil {
			list = append(list, a.Custodian)
		}
	}
	return list
}
