package rpc

import (
	"time"

	"atrium/privacy/envelope"
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
