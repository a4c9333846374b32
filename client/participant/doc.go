// Package participant is the hospital's side of a round: what a hospital remembers, and the
// rules by which it joins, submits, is ready, sends and burns.
//
// It has the form of the coordinator's machine (coordinator/round): State is a value,
// Decide answers an event with the entries to persist and changes nothing, Apply is
// the only change. The daemon (package client) persists entries in its journal before
// it sends anything, performs what was decided, and keeps the secret keys, which are
// never part of State.
//
// The rules that protect a single hospital against a coordinator that lies are here
// (design §4). Being ready binds nothing. A send binds for ever: under one manifest a
// custodian sends for one candidate, and on one question under one manifest, whatever round,
// plan, format or epoch asks. Two candidates with t sends each share at least 2t−m > f
// custodians, so an honest one sent for both. Of one manifest it never does; and since the
// readies of t custodians precede a send, some honest custodian was ready for any two
// candidates that are sent for, each within the one before, so share sums of different ones
// do not add up. Of two manifests it does only with one of these:
//
//   - A burn certificate of the first: of its m−t+f+1 signers at least m−t+1 are honest and
//     never send under it, which leaves fewer than t. Who was ready and did not send needs none.
//   - The verdict that no group of the first candidate held, and then for the same hospitals,
//     who encrypt the same integers: no second sum of others, and no other sum of these.
//   - A release of the first by every hospital of the charter, in its own Join of the second.
//     The second is a manifest that nobody released, so one more opening follows and no more.
//   - The end of an epoch. m−t+f+1 closing statements contain that of an honest custodian that
//     sent for whatever t sent for or still can; what as many do not name is burned as above.
//     What at most f name must show that t were ready for it, for this question and these
//     hospitals, so that none is blocked by hostile word alone.
//
// A custodian whose journal was lost neither sends nor burns where it may have sent, and takes
// the questions of it as answered. That supposes that the log which it recovers from has each
// manifest that carries a Join of its, and the readies of t custodians for whatever it sent
// for, or it would not have sent; only its Sends can be withheld.
//
// What stays stuck until members send fresh shares or an epoch ends: a candidate that t were
// ready for, of which fewer than t can still send (a hostile one keeps silent, or one lost its
// disk) after somebody sent, so that fewer than m−t+f+1 can burn; and one manifest under which
// a lying coordinator let custodians send for different candidates. The tests explore safety
// exhaustively (explore_test.go says what counts as opened), and these cases in small.
//
// Where the plan draws whom a train round asks, a hospital takes part only under a manifest
// whose cohort is that draw (federation.CheckCohort), or one that is pinned to an earlier
// manifest on the question, shown beside it.
//
// What a round starts from is the newest version, which this hospital derived or has by the word
// of f+1 custodians; an older one, or none, only where the approved plan says so and made no
// version yet (MayStart). So a coordinator can neither ask about a version that people left
// behind nor number one as it likes.
//
// Two more rules are about sums that are nearly alike, and promise less. Where the charter has
// a guard a custodian refuses a candidate that differs by fewer than K+h hospitals from one it
// sent for on nearly the same version; and an evaluation, of whatever version, of others than
// the first that it sent for on the same records, all of them or those of one month. It
// remembers the newest sums and every such line for the length of an epoch, and what a burn
// certificate frees it forgets: of a line one manifest, and the line with its last one.
//
// A charter epoch ends with closing statements: a custodian sends what it must, erases its
// key, says what it sent for, and does nothing more in that epoch (CloseEpoch). The next one
// begins with their union (BeginEpoch, federation.CheckTransition); every custodian, also one
// that is new, is bound by it as by its own sends, and burns of a later epoch say nothing about
// manifests of an earlier one. A journal belongs to one charter (Pin).
//
// The package does no I/O, reads no clock and checks no signature; events carry
// verified values. Values may be shared between goroutines.
package participant
