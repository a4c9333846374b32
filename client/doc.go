// Package client is a hospital's daemon: it asks the coordinator for work over outbound
// connections only, trains on local records, encrypts, submits, and does a custodian's
// part.
//
// It is the shell around client/participant: it owns clock, goroutines, files and keys,
// persists what the machine decided before anything is sent, and decides nothing about
// rounds. client/policy has the hospital's veto. One-time keys and one-round keys are in
// memory only, and die with the process.
//
// A Daemon is run once, by one goroutine. A Learner is what a Daemon computes, without the
// rest; a Rehearsal is a federation of them in one process.
package client
