package coordinator

import (
	"runtime/debug"

	"atrium/coordinator/federation"
)

// letGo gives the memory of what is no longer used back to the system, where models are
// large: the collector left to itself lets the garbage of one step lie beside the next.
func letGo(p federation.Plan) {
	if p.ParameterCount() >= largeModel {
		debug.FreeOSMemory()
	}
}

const largeModel = 4_000_000 // parameters
