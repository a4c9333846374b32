package simulate

import "time"

// Bounds on what a file of profiles may ask for, and on a simulation that does not end.
const (
	MaxClasses  = 64
	MaxTime     = 10 * 365 * 24 * time.Hour // virtual
	MaxRound    = 30 * 24 * time.Hour       // virtual, of one round
	MaxFailures = 1000                      // rounds abandoned one after the other
	MaxMemory   = 4 << 30                   // bytes of contributions that are held until S is known
	maxRecord   = 1 << 20                   // bytes of what is kept of a round, besides its versions
	maxRows     = 10_000_000                // records of one hospital
	maxSpread   = 3                         // deviation of a logarithm
)
