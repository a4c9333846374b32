package participant

import "errors"

// MaxCandidates bounds the candidates of one manifest that a custodian is ready for: each
// leaves out somebody of the one before.
const MaxCandidates = 64

// MaxLine bounds the manifests of one evaluation line that are remembered.
const MaxLine = 4096

// ErrTooMany: a bound of this package is reached.
var ErrTooMany = errors.New("too many in one round")
