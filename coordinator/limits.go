package coordinator

import "time"

const (
	maxGroup   = 255             // requests committed as one batch; with a state entry they fit it at any size
	stateEvery = 1000            // batches from one state entry to the next
	retryDelay = 2 * time.Second // before an own task that failed is tried again
	noteTime   = 5 * time.Second // to log a refusal

	adviceEvery    = time.Hour              // the same advice to the operator
	defaultLease   = 6 * time.Second        // of a leader that is silent
	minLease       = time.Second            // shorter ones end while a disk is slow
	maxLease       = time.Minute            // also of one that is read
	tailEvery      = time.Second            // a standby reads the log and the lease
	releaseTime    = 2 * time.Second        // to give the lease up
	troubleGrace   = time.Minute            // that such a storage has after a deadline
	troubleDelay   = 500 * time.Millisecond // before the storage is asked again
	maxAddresses   = 8                      // of one coordinator
	maxAddress     = 256                    // bytes of one
	maxLeaderName  = 256                    // bytes
	maxLeaseWrites = 3                      // of one renewal
	maxLeaseBytes  = 8 << 10

	maxPlaces    = 8               // segments of about 8 MiB in memory while they are received
	maxOwnPlaces = 2               // of one hospital
	placeWait    = 2 * time.Second // for a free place before a hospital is told to come back
	maxAtHand    = 64 << 20        // bytes of segments of the round that are kept in memory
)
