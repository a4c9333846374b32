package opening

import (
	"runtime"

	"atrium/privacy/envelope"
)

// MaxListBytes bounds the stored list of the segments of a sum.
const MaxListBytes = 1 << 20

// MaxShareSumBytes bounds what is read of an encoded share sum, which a ring of the largest
// degree does not fill. What is longer cannot be read, by anybody.
const MaxShareSumBytes = envelope.MaxPlaintext

// maxWorkers is how many parts of a segment are worked on at a time.
var maxWorkers = min(runtime.GOMAXPROCS(0), 8)
