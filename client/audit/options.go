package audit

import (
	"time"

	"atrium/coordinator/federation"
)

// Options of an audit. The zero value takes the charter and the key that the log begins
// with, knows no checkpoint but those in the store, and is silent.
type Options struct {
	Charter     federation.Digest       // of the charter that the auditor trusts
	Checkpoints []Checkpoint            // that hospitals kept, each a prefix of the log
	LogKey      string                  // verifier key of the log, in signed-note form
	Now         time.Time               // that ages are told at; zero: the clock
	Progress    func(done, total int64) // after each batch: entries read, and of how many as far as known
}

// Checkpoint is a file that a hospital handed over: `atrium hospital checkpoint`.
type Checkpoint struct {
	File string // as errors name it
	Data []byte
}
