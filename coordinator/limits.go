package coordinator

import "time"

const (
	maxGroup   = 256             // requests committed as one batch
	retryDelay = 2 * time.Second // before an own task that failed is tried again
	noteTime   = 5 * time.Second // to log a refusal

	adviceEvery = time.Hour // the same advice to the operator

	maxPlaces    = 8               // segments of about 8 MiB in memory while they are received
	maxOwnPlaces = 2               // of one hospital
	placeWait    = 2 * time.Second // for a free place before a hospital is told to come back
	maxAtHand    = 64 << 20        // bytes of segments of the round that are kept in memory
)
