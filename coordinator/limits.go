package coordinator

import "time"

const (
	maxGroup   = 256             // requests committed as one batch
	retryDelay = 2 * time.Second // before an own task that failed is tried again
)
