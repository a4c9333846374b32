// Package opening computes what a round publishes: it adds the ciphertexts of S segment
// by segment, recovers the sum of the one-time keys from share sums, opens and checks
// the aggregate, and applies the rule that turns it into a result and a new snapshot.
//
// It decides nothing about a round and writes nothing: the coordinator runs it once and
// stores what it returns and hands out, the auditor runs the same functions on the stored
// objects and compares bytes. Both have verified the signed messages that they pass in.
//
// Design §4 (Publishing) and §5. In memory are one segment, the integers of the opened
// vector and, at the end, the parameters: nothing that grows with the number of hospitals.
// Robust rules hold the vector once a group; federation.MaxGroupFields bounds that.
// Within a call the parts of a segment are worked on side by side; what comes out does not
// depend on timing. Functions are pure but for reading from the Bucket and may run
// concurrently.
package opening
