// Package roundlog is a signed, append-only log of opaque entries in a storage.Bucket:
// it commits batches, publishes Merkle tiles and a signed checkpoint, proves inclusion
// and consistency, and lets anyone verify all of that from the objects alone.
//
// It does not know what an entry means, so that "a new epoch begins with a lead entry"
// is its caller's rule; it only refuses an epoch that falls or skips. It keeps no time
// of its own, elects nobody, starts no goroutine and deletes nothing. What the log's
// signer wrote before anyone cosigned it, the signer can rewrite.
//
// A batch is real once its object log/<n> exists, written put-if-absent; everything else
// is derived. Leaves and proofs are RFC 6962 §2.1; tiles and entry bundles C2SP
// tlog-tiles; the checkpoint C2SP tlog-checkpoint; cosignatures C2SP tlog-cosignature,
// "Ed25519 signed message".
//
// Its key may be followed by another, where a batch begins that the caller's [Successor]
// names the new key for; a checkpoint is signed by the key of its last entry.
//
// The coordinator's shell writes through a [Log], having decided what to append; hospitals
// check proofs and cosign what [ParseCheckpoint] verified; the auditor calls [Read],
// [VerifyTiles] and [VerifyCosignature] with the verifier key of the pinned charter, and
// [Tree.CheckKept] with the checkpoints that hospitals kept.
//
// A [Log] and its [Tree] belong to one goroutine. A [Key] and all functions are safe to
// share; several Logs, in several processes too, may write to one Bucket: at most one
// of them gets each slot.
package roundlog
