// Package simulate runs a federation of many unequal hospitals in virtual time: how long a
// plan takes, who takes part, what it learns and what the encryption costs it.
//
// The round machine, the hospitals' own machines, the rules, the fixed-point arithmetic and
// the sizes of ciphertexts and messages are the real ones; training is real, by whoever
// implements Learners. Left out is the encryption itself: what custodians would open is, field by
// field, the sum that is taken here (a test of package opening shows it), so ciphertexts,
// signatures, envelopes and network are counted in bytes and seconds, and not made. Time
// passes in an event queue. Records are trained at a hospital's speed; a coordinator's own
// work takes a fixed moment, and encryption nothing.
//
// Beside every sum of fields runs one of the same hospitals' values as they are, neither
// rounded nor clipped: the same federation without encryption. The difference of the two
// models is what the fixed-point arithmetic costs.
//
// Everything follows from plan, profiles, records and seed, whatever the number of
// processors. With a Store what each round learned is kept, and a simulation that was
// interrupted repeats its events, takes what was learned from there, and comes to the same
// bytes.
//
// The caller has validated the plan, drawn a Population, and given Learners records that fit.
// A Config is used by one Run at a time; Learners are called from several goroutines.
package simulate
