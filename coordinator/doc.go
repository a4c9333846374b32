// Package coordinator is the shell around the round machine: it owns the clock, the
// goroutines and the logging of one federation's coordinator.
//
// One goroutine, Run, owns the machine's state and the log. Requests reach it as
// verified events; it asks the machine to decide, commits the entries as one batch,
// applies them, and only then answers. What the machine lists as pending is performed
// by goroutines that write content-addressed objects and come back with an event. Every
// task may be done twice or never: after a crash the machine lists it again.
//
// The package decides nothing about rounds (coordinator/round does), holds no key but
// the log's, and never sees a hospital's update (design §§4–6).
//
// The gRPC server (coordinator/rpc) verifies and decodes what hospitals send before it
// calls the methods here, which are safe for concurrent use.
package coordinator
