package opening

import "runtime"

// MaxListBytes bounds the stored list of the segments of a sum.
const MaxListBytes = 1 << 20

// maxWorkers is how many parts of a segment are worked on at a time.
var maxWorkers = min(runtime.GOMAXPROCS(0), 8)
