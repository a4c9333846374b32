// Package coordinator is the shell around the round machine: it owns the clock, the
// goroutines and the logging of one federation's coordinator.
//
// One goroutine, Run, owns the machine's state and the log. Requests reach it as
// verified events; it asks the machine to decide, commits the entries as one batch,
// applies them, and only then answers. What the machine lists as pending is performed
// by goroutines that write content-addressed objects and come back with an event. Every
// task may be done twice or never: after a crash the machine lists it again.
//
// Several coordinators may share one store. The one that holds the [Lease] leads; the
// others apply its batches by the path of recovery and stand by. The lease is liveness
// only: a leader's first entry begins an epoch, a batch of an older one is not valid, and
// whoever finds its slot taken applies what is there and steps down. A store that does
// not answer is waited for: what was begun is repeated, the same bytes in the same slot,
// and nothing else is decided before its outcome is known. One that lost its end, or that
// a hospital's signed checkpoint contradicts, is not led.
//
// The package decides nothing about rounds (coordinator/round does), holds no key but
// the log's, and never sees a hospital's update (design §§4–6).
//
// The gRPC server (coordinator/rpc) verifies and decodes what hospitals send before it
// calls the methods here, which are safe for concurrent use.
package coordinator
