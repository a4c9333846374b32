package roundlog

import "errors"

// Sentinels; errors name the object in front of them.
var (
	// ErrNoLog: the bucket holds no log.
	ErrNoLog = errors.New("no log")
	// ErrLogExists: the bucket holds a log already.
	ErrLogExists = errors.New("log exists")
	// ErrSlotTaken: another writer's batch has the next number; catch up, decide again.
	ErrSlotTaken = errors.New("slot is taken by another batch")
	// ErrInDoubt: nobody knows whether the last batch was stored; catching up settles it.
	ErrInDoubt = errors.New("outcome of the batch is unknown")
	// ErrHole: a batch is absent although a later one exists.
	ErrHole = errors.New("batch is missing before later ones")
	// ErrEpoch: an epoch falls or skips.
	ErrEpoch = errors.New("epoch does not follow")
	// ErrSignature: a signature does not verify.
	ErrSignature = errors.New("signature does not verify")
	// ErrEncoding: bytes are not the canonical encoding of any value within bounds.
	ErrEncoding = errors.New("not a canonical encoding")
	// ErrBatch: a batch does not continue what is before it.
	ErrBatch = errors.New("batch does not continue the log")
	// ErrEntry: an entry or a number of entries is out of bounds.
	ErrEntry = errors.New("entries out of bounds")
	// ErrBehind: the published checkpoint is beyond the batches that were read.
	ErrBehind = errors.New("checkpoint is beyond the log")
	// ErrFork: two roots for one size.
	ErrFork = errors.New("root does not match the log")
	// ErrOtherLog: a checkpoint is of another log.
	ErrOtherLog = errors.New("checkpoint of another log")
	// ErrProof: a proof does not hold, or nothing can be proven for those numbers.
	ErrProof = errors.New("proof does not hold")
	// ErrTile: a tile or an entry bundle is not what the entries give.
	ErrTile = errors.New("tile does not match the log")
	// ErrKey: a key in text form is malformed.
	ErrKey = errors.New("malformed key")
)
