// Package transfer copies a federation's objects from one storage.Bucket to another.
//
// A copy is what the log said when it began: the checkpoint, then the pointers and
// tiles, then the batches are noted first, and all that they name was there before
// them, so that it may
// run beside a coordinator that goes on writing. Big objects travel first, then tiles, then
// the batches in order, then pointers, and the checkpoint last: a copy that broke off is
// no log to anyone, or still the older one, and the next run goes on where it ended. Every
// object is compared byte for byte with what the target holds, and content-addressed ones
// with their names.
//
// It verifies no signature, which its caller does on the target afterwards, and copies no
// lease. A copy that is served while its source is served forks the history: callers make
// sure that nobody leads.
//
// A copy uses several goroutines of its own; the Buckets are all that is shared.
package transfer
