package rpc

import (
	"time"

	"atrium/privacy/envelope"
)

// Bounds on who may connect.
const (
	handshakeTime       = 10 * time.Second // from the first packet of a connection to its last before calls
	reservedDescriptors = 256              // for the store, the lease, the log and the runtime
	mostDescriptors     = 1 << 20          // that are counted on
	strangersShare      = 4                // one of so many connections may be a stranger's
	leastStrangers      = 16               // connections that are not authenticated yet
	mostStrangers       = 1024             // the same; each takes a few KiB for at most handshakeTime
	hospitalConnections = 4                // of one hospital
	ipv6Network         = 64               // bits that name one subscriber
	floodNotice         = 10 * time.Second // between log lines about one
	fetches             = 64               // objects that are read for hospitals at one time
)

const (
	pollTime     = 25 * time.Second                            // a poll without work answers after this
	chunkBytes   = 1 << 20                                     // of a streamed object
	maxEnvelopes = 64                                          // of one submission: one a custodian
	maxMessage   = (maxEnvelopes+1)*envelope.MaxSealed + 1<<20 // largest unary request
	segmentTime  = 2 * time.Minute                             // to receive one segment
	retryAfter   = time.Second                                 // when a hospital asks again for room
	maxSkip      = 64                                          // tasks a poll may skip
	maxTaskID    = 256                                         // bytes of the identifier of a task
	windowBytes  = 4 << 20                                     // initial HTTP/2 windows
	maxStreams   = 64                                          // concurrent calls of one hospital
	idlePing     = 20 * time.Second                            // keep-alive of a silent connection
	minPing      = 5 * time.Second                             // between those of a hospital
)
