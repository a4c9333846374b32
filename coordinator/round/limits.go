package round

import "time"

const (
	// MaxUnreadable bounds the complaints of one custodian and the submitters that one
	// candidate drops, so that their entries stay under the log's limit.
	MaxUnreadable = 256
	// MaxCandidates bounds the candidates of one round: each leaves out somebody of the one
	// before.
	MaxCandidates = 64
	// MaxJoins bounds the Joins of one hospital in one round: a daemon that restarts joins
	// again, and each is an entry of the log.
	MaxJoins = 64
	// MaxDelay is the longest pause between an abandoned round and the next.
	MaxDelay = 64 * time.Second
	// MaxAskAgain is the longest pause before hospitals that declined are asked again, where
	// sums are over all of a group or none.
	MaxAskAgain = time.Hour
	// MaxEntryBytes is the largest encoded entry.
	MaxEntryBytes = 16 << 10
	// MaxMemoBytes is the largest encoded Memo: charter, round and, in about 300 bytes each,
	// what was answered.
	MaxMemoBytes = 64 << 20
)
