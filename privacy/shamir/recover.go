package shamir

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNoConsistentSubset means that no t answers among the subsets tried give
// a secret within the bound.
var ErrNoConsistentSubset = errors.New("no consistent subset of answers")

// ErrAmbiguous means that different secrets within the bound agree with
// equally many answers.
var ErrAmbiguous = errors.New("answers do not single out a secret")

// Candidate is a secret within the bound that at least t answers agree with.
type Candidate struct {
	Secret []int32 // centred
	Wrong  []int   // the points that disagree, ascending in the order given
}

// Interpolate returns the centred values at 0 of the polynomials of degree
// len(points)-1 that take the values sums[i] at points[i].
func Interpolate(points []int, sums [][]uint16) ([]int32, error) {
	if err := checkAnswers(points, sums, len(points)); err != nil {
		return nil, fmt.Errorf("interpolate: %w", err)
	}
	weights := make([]uint64, len(points))
	lagrange(weights, points, 0)
	secret := make([]int32, len(sums[0]))
	for i := range secret {
		secret[i] = centre(combine(weights, sums, i))
	}
	return secret, nil
}

// Recover returns the secret within [-bound, bound] that most answers agree
// with and the points whose answers disagree with it. sums[i] is the answer of
// points[i]; t answers determine a secret. With a answers of which w are
// wrong, the secret is found whatever the wrong ones hold when 2w <= a-t, and
// by its bound up to w = a-t. A tie between two secrets is ErrAmbiguous:
// Candidates gives both, for a caller with a further test.
func Recover(points []int, sums [][]uint16, t int, bound int32) (secret []int32, wrong []int, err error) {
	found, err := Candidates(points, sums, t, bound)
	if err != nil {
		return nil, nil, err
	}
	if len(found) > 1 && len(found[0].Wrong) == len(found[1].Wrong) {
		return nil, nil, fmt.Errorf("recover from %d answers, threshold %d: %w", len(points), t, ErrAmbiguous)
	}
	return found[0].Secret, found[0].Wrong, nil
}

// Candidates returns the secrets within the bound that t or more answers agree
// with, the one with most agreement first, equal ones in the lexicographic
// order of the subsets that gave them; at most MaxCandidates, from the first
// MaxSubsets subsets. It stops at a secret that no other can equal.
func Candidates(points []int, sums [][]uint16, t int, bound int32) ([]Candidate, error) {
	if err := checkAnswers(points, sums, t); err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	if bound < 0 || bound > MaxSecret {
		return nil, fmt.Errorf("recover with bound %d, at most %d: %w", bound, MaxSecret, ErrSecret)
	}
	s := search{points: points, sums: sums, t: t, bound: bound, weights: make([]uint64, t)}
	s.run()
	if len(s.found) == 0 {
		return nil, fmt.Errorf("recover from %d answers, threshold %d: %w", len(points), t, ErrNoConsistentSubset)
	}
	return s.found, nil
}

// search is the state of one walk over t-subsets of the answers.
type search struct {
	points  []int
	sums    [][]uint16
	t       int
	bound   int32
	weights []uint64
	found   []Candidate
	agree   []uint64 // for each found candidate, a bit for each answer
}

func (s *search) run() {
	subset := make([]int, s.t)
	for i := range subset {
		subset[i] = i
	}
	at, values := make([]int, s.t), make([][]uint16, s.t)
	for tried := 0; tried < MaxSubsets; tried++ {
		if !s.known(subset) {
			for i, a := range subset {
				at[i], values[i] = s.points[a], s.sums[a]
			}
			if s.try(subset, at, values) {
				return
			}
		}
		if !nextSubset(subset, len(s.points)) {
			return
		}
	}
}

// known reports whether a found polynomial already passes through the subset:
// t points determine it.
func (s *search) known(subset []int) bool {
	mask := uint64(0)
	for _, a := range subset {
		mask |= 1 << a
	}
	for _, agree := range s.agree {
		if mask&^agree == 0 {
			return true
		}
	}
	return false
}

// try adds the subset's polynomial when its secret is within the bound, and
// reports whether it agrees with so many answers that no other can. Two
// polynomials share at most t-1 points, so one with more than (a+t-1)/2 of a
// answers has no equal.
func (s *search) try(subset, at []int, values [][]uint16) bool {
	lagrange(s.weights, at, 0)
	for i := range s.sums[0] {
		if v := centre(combine(s.weights, values, i)); v > s.bound || v < -s.bound {
			return false
		}
	}
	c := Candidate{Secret: make([]int32, len(s.sums[0]))}
	for i := range c.Secret {
		c.Secret[i] = centre(combine(s.weights, values, i))
	}
	agree := uint64(0)
	for _, a := range subset {
		agree |= 1 << a
	}
	for a, x := range s.points {
		if agree>>a&1 == 1 {
			continue
		}
		lagrange(s.weights, at, x)
		if s.passes(values, a) {
			agree |= 1 << a
		} else {
			c.Wrong = append(c.Wrong, x)
		}
	}
	s.insert(c, agree)
	right := len(s.points) - len(c.Wrong)
	return 2*right > len(s.points)+s.t-1
}

// passes reports whether the combination of values by s.weights is answer a.
func (s *search) passes(values [][]uint16, a int) bool {
	for i, v := range s.sums[a] {
		if combine(s.weights, values, i) != uint64(v) {
			return false
		}
	}
	return true
}

// insert keeps the MaxCandidates candidates with most agreement, in that order
// and, among equals, in the order of insertion.
func (s *search) insert(c Candidate, agree uint64) {
	at := len(s.found)
	for at > 0 && len(s.found[at-1].Wrong) > len(c.Wrong) {
		at--
	}
	if at == MaxCandidates {
		return
	}
	s.found, s.agree = slices.Insert(s.found, at, c), slices.Insert(s.agree, at, agree)
	if len(s.found) > MaxCandidates {
		s.found, s.agree = s.found[:MaxCandidates], s.agree[:MaxCandidates]
	}
}

// combine returns the sum of weights[j]*values[j][i]; at most MaxShares
// products below 2^32 are added before one reduction.
func combine(weights []uint64, values [][]uint16, i int) uint64 {
	sum := uint64(0)
	for j, w := range weights {
		sum += w * uint64(values[j][i])
	}
	return sum % P
}

// nextSubset advances to the next subset of [0, n) in lexicographic order.
func nextSubset(subset []int, n int) bool {
	for i := len(subset) - 1; i >= 0; i-- {
		if subset[i] < n-len(subset)+i {
			subset[i]++
			for j := i + 1; j < len(subset); j++ {
				subset[j] = subset[j-1] + 1
			}
			return true
		}
	}
	return false
}

// Recoverable reports whether all t-subsets of m answers are tried: only then a secret is found
// whichever answers are wrong, also where the first one is.
func Recoverable(m, t int) bool {
	subsets := 1
	for i := 1; i <= min(t, m-t); i++ {
		if subsets = subsets * (m - i + 1) / i; subsets > MaxSubsets {
			return false
		}
	}
	return true
}

func checkAnswers(points []int, sums [][]uint16, t int) error {
	if t < 1 || t > len(points) || len(points) > MaxShares || len(points) != len(sums) {
		return fmt.Errorf("%d points, %d answers, threshold %d: %w", len(points), len(sums), t, ErrThreshold)
	}
	seen := uint64(0)
	for i, x := range points {
		if x < 1 || x > MaxShares || seen>>(x-1)&1 == 1 {
			return fmt.Errorf("point %d: %w", x, ErrPoints)
		}
		seen |= 1 << (x - 1)
		if len(sums[i]) != len(sums[0]) || len(sums[i]) > MaxLength {
			return fmt.Errorf("answer of point %d has %d coefficients, the first has %d: %w", x, len(sums[i]), len(sums[0]), ErrLength)
		}
		if err := checkElements(sums[i]); err != nil {
			return fmt.Errorf("answer of point %d: %w", x, err)
		}
	}
	return nil
}
