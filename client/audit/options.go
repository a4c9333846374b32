package audit

import "atrium/coordinator/federation"

// Options of an audit. The zero value takes the charter and the key that the log begins
// with, and is silent.
type Options struct {
	Charter  federation.Digest       // of the charter that the auditor trusts
	LogKey   string                  // verifier key of the log, in signed-note form
	Progress func(done, total int64) // after each batch: entries read, and of how many as far as known
}
