package client

import "time"

const (
	chunkBytes     = 1 << 20  // of an upload
	maxReply       = 34 << 20 // largest message accepted: work with the S of a full roster
	backoffFirst   = 200 * time.Millisecond
	backoffLimit   = 15 * time.Second // full jitter below this after repeated failures
	skipTime       = 5 * time.Second  // before a task that failed is asked for again
	maxSkip        = 64
	maxJournalLine = 2 << 20
	pollSlack      = 15 * time.Second // beyond the coordinator's 25 s before a poll counts as lost
)
