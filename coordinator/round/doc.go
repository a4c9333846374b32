// Package round is the coordinator's round machine: the rules by which a federation
// moves from round to round and a round from phase to phase.
//
// State is a value. Decide answers an event with the entries it causes and changes
// nothing; Apply is the only way State changes and runs on committed entries, live
// and in recovery alike; Pending lists what is owed now, each task with a
// deterministic identifier. The same inputs give the same entries.
//
// The package does no I/O, reads no clock, starts no goroutine and checks no
// signature: the shell (package coordinator) verifies and decodes a message before it
// becomes an event, commits entries before it answers, and performs tasks. Time and
// the hospitals whose connection is gone are fields of events.
//
// A plan may draw whom a train round asks (federation.Draw). Then a round is content with as
// many updates of each group as the plan wants, and waits neither for those who are slower
// nor for those who would not be asked. Who joined, declined and submitted is in the log;
// from that every reader works out the same cohort.
//
// It follows design §4. The phases are
//
//	Gathering -> Collecting -> Opening -> Publishing -> Done
//
// and each of the first four may end in Abandoned, always with a reason. When the epoch of
// the charter ends, so does its last round, and questions that were answered in it stay
// bound to their S.
//
// Values may be shared between goroutines; nothing here is modified in place.
package round
