package opening

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
)

// List names the stored segments of a group's ciphertext sum, in order; its canonical
// bytes are the blob that a candidate's Sums name.
type List struct {
	V        int                 `json:"v"` // 1
	Segments []federation.Digest `json:"segments"`
}

// DecodeList reads canonical bytes.
func DecodeList(b []byte) (List, error) {
	l, err := federation.Decode[List](b, MaxListBytes)
	if err == nil && l.V != 1 {
		err = fmt.Errorf("list of segments of format %d: this program reads 1", l.V)
	}
	return l, err
}

// opener opens the groups of a round into one Sum, one segment at a time: what is in
// memory besides the Sum does not depend on the number of hospitals or of segments.
type opener struct {
	round    Round
	params   *he.Parameters
	segments []segment
	source   source
	sum      *Sum
}

type openedGroup struct {
	result GroupResult
	wrong  []federation.HospitalID
	gate   bool // it opened, and fails a gate
}

// group is a group while it is opened.
type group struct {
	*opener
	number  int
	n       int // submitters
	key     *he.KeySum
	refused error // why it is left out
	gates   *gates
	mu      sync.Mutex
	added   map[int]bool // parts that are in the sum, by first block
}

// open adds a group to the sum. The error is of the machine that we run on; what is
// wrong with the group is its result's Reason.
func (o *opener) open(ctx context.Context, number int, answers []ShareSums) (openedGroup, error) {
	g := &group{opener: o, number: number, n: len(o.round.Candidate.Groups[number]), added: map[int]bool{}, gates: o.round.gates(number)}
	candidates, points, err := o.round.keySums(number, answers)
	if err != nil && !refusedSum(err) {
		return openedGroup{}, err
	}
	g.refused = err
	out := openedGroup{result: GroupResult{Group: number}, wrong: noShareSum(number, answers)}
	for _, s := range o.segments {
		if g.refused != nil {
			break
		}
		sums, err := o.source.sum(ctx, number, s)
		if err != nil && !refusedSum(err) {
			return out, err
		}
		if g.refused = err; err != nil {
			break
		}
		if s.index == 0 {
			chosen := g.choose(candidates, sums[0], s.parts[0])
			for _, point := range chosen.Wrong {
				out.wrong = append(out.wrong, points[point])
			}
		}
		g.work(s, sums)
	}
	if g.refused == nil {
		g.refused = g.gates.judge()
	}
	if g.refused != nil {
		out.result.Reason, out.wrong, out.gate = g.refused.Error(), noShareSum(number, answers), errors.Is(g.refused, ErrGate)
		return out, g.takeBack(ctx)
	}
	out.result.Submitters = g.n
	return out, nil
}

// choose takes the first key sum that opens the first block: under another one its noise
// would be uniform.
func (g *group) choose(candidates []shamir.Candidate, sum *he.Sum, p part) shamir.Candidate {
	for _, c := range candidates {
		if g.key, g.refused = g.params.PrepareKeySum(c.Secret, g.n); g.refused != nil {
			continue
		}
		if _, g.refused = g.values(sum, p); g.refused == nil {
			return c
		}
	}
	return shamir.Candidate{}
}

// work opens the sum of a segment while the group holds.
func (g *group) work(s segment, sums []*he.Sum) {
	if g.refused != nil {
		return
	}
	g.refused = each(s.parts, func(i int, p part) error {
		values, err := g.values(sums[i], p)
		if err != nil {
			return err
		}
		g.sum.of(g.number).add(p.from, values)
		g.gates.add(p.from, values)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.added[p.first] = true
		return nil
	})
}

func (g *group) values(sum *he.Sum, p part) ([]uint64, error) {
	values := make([]uint64, p.to-p.from)
	return values, g.key.Open(federation.PublicSeed(g.round.Manifest, g.number), sum, values)
}

// takeBack subtracts what a group added before it turned out that it does not hold: it reads
// the sums once more, because they are not kept in memory. A vector of its own is let go.
func (g *group) takeBack(ctx context.Context) error {
	if g.sum.apart() {
		g.sum.fields[g.number] = fields{}
		return nil
	}
	for _, s := range g.segments {
		if len(g.added) == 0 {
			return nil
		}
		sums, err := g.source.sum(ctx, g.number, s)
		if err != nil {
			return err
		}
		err = each(s.parts, func(i int, p part) error {
			g.mu.Lock()
			added := g.added[p.first]
			delete(g.added, p.first)
			g.mu.Unlock()
			if !added {
				return nil
			}
			values, err := g.values(sums[i], p)
			if err == nil {
				g.sum.of(g.number).take(p.from, values)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
