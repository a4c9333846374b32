package main

import (
	"fmt"

	"atrium/coordinator/federation"
)

// leastAutoClip bounds a clip that follows the sums from below.
const leastAutoClip = 1e-6

// withWeightOf is a plan whose weights fit so many bits, as all rows of a comparison must
// have the same.
func withWeightOf(plan federation.Plan, bits int) federation.Plan {
	plan.Privacy.WeightCap = min(plan.Privacy.WeightCap, 1<<bits-1)
	plan.Privacy.MinRecords = min(plan.Privacy.MinRecords, plan.Privacy.WeightCap)
	return plan
}

// inPrecisions puts rows of each precision and clip, and one in floating point, in the place
// of each rule's own; left says why others are not there.
func inPrecisions(list []contender, bits []int) (out []contender, left []string) {
	for _, c := range list {
		if c.kind != contestRule {
			out = append(out, c)
			continue
		}
		own := c.plan
		row := func(name string, change func(*contender)) {
			next := c
			next.name, next.start = c.name+", "+name, &own
			change(&next)
			if err := next.plan.Validate(); err != nil {
				left = append(left, fmt.Sprintf("%s: %v", next.name, err))
				return
			}
			out = append(out, next)
		}
		row("floating point", func(c *contender) { c.exact = true })
		for _, b := range bits {
			row(fmt.Sprintf("%d bits", b), func(c *contender) { c.plan.Privacy.Bits, c.plan.Privacy.ClipLeast = b, 0 })
			row(fmt.Sprintf("%d bits, clip auto", b), func(c *contender) {
				c.plan.Privacy.Bits, c.plan.Privacy.ClipLeast = b, min(leastAutoClip, c.plan.Privacy.Clip)
			})
		}
	}
	return out, left
}
