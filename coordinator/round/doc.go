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
// and each of the first four may end in Abandoned, always with a reason. In Opening a
// candidate fixes who is summed and C; custodians are ready for it or complain, and where
// there are many bytes each submitter vouches; custodians fetch the ciphertexts of those who do
// not, where these are few bytes. Another candidate leaves out whom it must. Once t are ready
// and all else vouched it stands: custodians send, and the round ends by t sends or by
// a certificate of burns, never by a deadline. With t sends the sum is tried; a group, or all,
// counts as one that does not hold only with min(m, t+f).
//
// A question is opened once. What was sent under a manifest that stood is remembered
// (Attempt): a burn certificate frees the question, a failure of all groups lets exactly the
// same hospitals be asked once more, an opened sum ends a plan that asks again. What custodians
// derive from the last opened candidate (Outcome) is taken whenever it comes; no step waits.
//
// Where the charter sums all of a group or none of it, hospitals are waited for: who is
// absent by name while a round gathers, without a deadline; who declines by name and reason,
// asked again ever more seldom, and past the plan's patience the plan counts as paused
// (Paused). Who is lost after its Join ends the round, and the next begins at once.
//
// Where the charter has a guard instead, no sum is opened that differs by few hospitals from
// one on nearly the same version: a round there is pinned to exactly these hospitals, and a
// plan ends as converged at the same distance. Publish entries carry sketches of versions,
// from which every reader gets the same distances. Evaluations of the same records are of S of
// the first in the epoch (Line), whatever plan and version; if somebody is missing the round ends
// as skipped, which the schedule counts as evaluated and the stop rule as no evaluation.
//
// Once a plan is finished its last version may be evaluated by calendar month (NextMonth), each
// month when it is over, of K hospitals or more also where the charter otherwise sums all: months
// are disjoint. All records overlap each of them, so such a version is not evaluated whole.
//
// Hospitals say in their Joins which columns they lack. A manifest masks by group what fewer
// than K of its cohort have. A set in which a column that is not masked falls below K is not
// opened: its group is dropped, or the round abandoned, and the column stays masked there
// under the plan (State.Short).
//
// When the epoch of the charter ends, so does its last round, and what closing statements name
// as sent stays answered.
//
// Values may be shared between goroutines; nothing here is modified in place.
package round
