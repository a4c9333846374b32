package main

import (
	"github.com/spf13/pflag"

	"atrium/coordinator/federation"
)

// numberFlags are the flags with which people choose the numbers of a charter.
type numberFlags struct {
	numbers federation.Numbers
	guard   float64
}

func (f *numberFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.numbers.Threshold, "threshold", 0, "t, `number` of custodians that must answer (default follows from their number)")
	flags.IntVar(&f.numbers.MaxHostile, "max-hostile", 0, "f, `number` of custodians that may help a lying coordinator (default follows from their number)")
	flags.IntVar(&f.numbers.MaxHostileMembers, "max-hostile-members", 0, "h, `number` of hospitals of a group that may help it (default that of --max-hostile, or a tenth of the group)")
	flags.IntVar(&f.numbers.MinCohort, "min-cohort", 0, "K, fewest `hospitals` in a sum (default h+3, and 5 in groups of eight or more; at least h+2)")
	flags.StringVar(&f.numbers.Cohort, "cohort", "", "whom a sum is over: `all|k`, every hospital of its group, or any K (default all in groups of five or fewer)")
	flags.Float64Var(&f.guard, guardFlag, federation.DefaultGuard, "with --cohort k, least relative `distance` of versions whose sums are of nearly the same hospitals; 0 is none")
}

const guardFlag = "guard"

// chosen returns the numbers; what was not chosen is zero.
func (f numberFlags) chosen(flags *pflag.FlagSet) federation.Numbers {
	n := f.numbers
	if flags.Changed(guardFlag) {
		n.Guard = &f.guard
	}
	return n
}
