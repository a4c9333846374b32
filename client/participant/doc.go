// Package participant is the hospital's side of a round: what a hospital remembers,
// and the rules by which it joins, submits, acknowledges, answers and burns.
//
// It has the form of the coordinator's machine (coordinator/round): State is a value,
// Decide answers an event with the entries to persist and changes nothing, Apply is
// the only change. The daemon (package client) persists entries in its journal before
// it sends anything, performs what was decided, and keeps the secret keys, which are
// never part of State.
//
// The rules that protect a single hospital against a coordinator that lies are here
// (design §4): a custodian acknowledges and answers only under a manifest that it
// verified itself in this run of the daemon; it answers at most once under one
// manifest and never under one that it burned; and for one question it answers one
// set of hospitals for ever, whatever round, plan, format or epoch asks, unless a burn
// certificate shows for every manifest under which it answered another set that fewer
// than t answers can exist under it. That is enough: two manifests with t answers each
// share at least 2t−m > f custodians, so an honest one answered both; it wanted a
// certificate of the first, of whose m−t+f+1 signers m−t+1 at least are honest and
// never answer, which leaves fewer than t. Manifests that it verified but did not
// answer need none. The tests explore this exhaustively for m = 3, 4 and 5.
//
// Where the plan draws whom a train round asks, a hospital takes part only under a manifest
// whose cohort is that draw (federation.CheckCohort), or one that is pinned: to an earlier
// manifest on the question, shown beside it, or to an answer of an earlier epoch that this
// hospital is bound by.
//
// A charter epoch ends with closing statements: a custodian erases its key, says what it
// answered, and does nothing more in that epoch (CloseEpoch). The next one begins with the
// union of at least t of these (BeginEpoch, federation.CheckTransition); every custodian,
// also one that is new, is bound by it as by its own answers, and burns of a later epoch
// say nothing about manifests of an earlier one. A journal belongs to one charter (Pin).
//
// The package does no I/O, reads no clock and checks no signature; events carry
// verified values. Values may be shared between goroutines.
package participant
