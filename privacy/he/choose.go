package he

import (
	"fmt"

	"atrium/aggregation/fixedpoint"
)

// sharesCounted is the most custodians that Choose counts key shares for.
const sharesCounted = 21

// Choose returns the ring and packing with the fewest bytes on the wire for a
// vector of count fields of 8, 16, 24 or 32 bits and a group of MinGroup to
// MaxGroup hospitals: one ciphertext and min(groupSize, 21) key shares of 2N
// bytes.
//
// For each N and each number k of fields to a coefficient, in ascending order:
// Width is bits+ceil(log2 groupSize), LogDelta the least that literal.go
// allows, and Q has k*Width+LogDelta bits, or one more where the primes below
// those powers of two leave too little room. Candidates over the security
// bound for N, 75 bits at 4096 and 149 at 8192, fall out. The first of equals
// wins. N is 4096 for vectors up to some hundred thousand fields, since key
// shares are then half as long, and 8192 beyond.
func Choose(count, groupSize, bits int) (Literal, error) {
	base := Literal{LogN: 12, Bits: bits, GroupSize: groupSize, Count: count}
	if err := base.checkTask(); err != nil {
		return Literal{}, fmt.Errorf("choose: %w", err)
	}
	base.Width = fixedpoint.Width(bits, groupSize)
	var best Literal
	bestCost := -1
	for _, logN := range []int{12, 13} {
		base.LogN = logN
		for k := 1; k*base.Width < maxLogQ(logN); k++ {
			base.PerCoefficient = k
			l, ok := base.complete()
			if !ok {
				continue
			}
			if cost := l.cost(); bestCost < 0 || cost < bestCost {
				best, bestCost = l, cost
			}
		}
	}
	if err := best.check(); err != nil {
		return Literal{}, fmt.Errorf("choose parameters for %d fields of %d bits, group of %d: %w", count, bits, groupSize, err)
	}
	return best, nil
}

// complete adds LogDelta and Primes to a literal that has the rest.
func (l Literal) complete() (Literal, bool) {
	l.LogDelta = leastLogDelta(l.GroupSize, l.used())
	need := l.PerCoefficient*l.Width + l.LogDelta
	for total := need; total <= need+1; total++ {
		l.Primes = findPrimes(l.LogN, total)
		if l.check() == nil {
			return l, true
		}
	}
	return l, false
}

// cost returns the bytes of one ciphertext and the counted key shares.
func (l Literal) cost() int {
	return layoutOf(l).bytes() + min(l.GroupSize, sharesCounted)*(2<<l.LogN)
}
