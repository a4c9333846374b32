// Package audit checks a federation's store offline and without any secret: Verify
// checks every object that the log names, Replay re-derives every model version from
// the log and the ciphertexts and compares bytes, Show says in words what happened.
//
// It takes no one's word: not the coordinator's, whose signature only fixes what it
// said, nor the store's. A store alone can show no more than that it is consistent with
// itself: its end may be cut off together with its checkpoint, what no hospital had
// cosigned may be rewritten, and all of it may be made up. So what Verify and Replay find
// is worth an OK only under an [Anchor] from outside: the digest of the charter that
// hospitals approved, and checkpoints that they kept. It changes nothing in the store,
// prints nothing, and does not judge whether a hospital trained honestly.
//
// Design §1 (auditor), §4 and §6. The objects are those of storage and storage/roundlog,
// the state machine is coordinator/round, the arithmetic of a sum is coordinator/opening,
// the same code that the coordinator ran. A store may be audited while a coordinator
// writes to it.
//
// cmd/atrium calls it with a Bucket opened for reading. Calls share nothing and may run
// concurrently. Memory holds the tree of the log, 96 bytes an entry at most, and a few hundred
// bytes a round; objects are read one at a time.
package audit
