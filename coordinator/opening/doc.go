// Package opening computes what a round publishes. Add adds the ciphertexts of a group of S
// segment by segment into C, whose digest the candidate names before anyone sends. Open
// takes C as the candidate names it and never a ciphertext: it recovers the sum of the
// one-time keys from share sums, opens and checks the aggregate. Conclude applies the rule
// that turns it into a result and a new snapshot.
//
// It decides nothing about a round and writes nothing: the coordinator, custodians and the
// auditor run the same functions on the same objects, and come to the same bytes. All have
// verified the signed messages that they pass in. Whether C is the sum of what was submitted
// is not for Open to say: who wants to know adds, or relies on who vouched.
//
// Design §4 (Publishing) and §5. In memory are one segment, the integers of the opened
// vector and, at the end, the parameters: nothing that grows with the number of hospitals.
// Robust rules hold the vector once a group; federation.MaxGroupFields bounds that.
// Within a call the parts of a segment are worked on side by side; what comes out does not
// depend on timing. Functions are pure but for reading from the Bucket and may run
// concurrently.
package opening
