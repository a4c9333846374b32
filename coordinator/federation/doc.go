// Package federation holds the values that a federation agrees on: charter, plan,
// header, manifest and the signed messages of a round, and the closing statements between
// two epochs, each with its validation, its canonical bytes and its
// digest.
//
// It does no I/O, keeps no state, checks no signature and makes no decision about
// a round: the round machine (coordinator/round) and the hospital's side of it
// (client/participant) do that with these values, and privacy/envelope checks
// signatures before a value reaches either.
//
// Canonical bytes are JSON as encoding/json writes it for the struct, nothing else:
// Decode refuses any byte string that does not re-encode to itself, so a digest
// names one value and a value has one digest.
//
// Everything here is immutable by convention and safe to share between goroutines.
package federation
