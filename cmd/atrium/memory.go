package main

import (
	"os"
	"runtime/debug"

	"atrium/coordinator/federation"
)

// tuneCollector keeps the garbage of a daemon small beside a large model. A model is a
// few blocks without pointers, which cost the collector nothing to mark, so that it may
// run often: by default it would wait until there is as much garbage as model. Whoever
// sets GOGC knows better.
func tuneCollector(p federation.Plan) {
	if os.Getenv("GOGC") == "" && p.ParameterCount() >= largeModel {
		debug.SetGCPercent(largeModelPercent)
	}
}

const (
	largeModel        = 4_000_000 // parameters
	largeModelPercent = 10
)
