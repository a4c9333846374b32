// Package envelope seals bytes for one receiver of one round and signs messages
// with a context.
//
// It computes HPKE envelopes with MLKEM768-X25519, HKDF-SHA256 and AES-256-GCM,
// whose associated data names the manifest, sender, receiver and update root, and
// Ed25519 signatures whose input names the kind of message, federation and signer.
//
// It does not decide whose key is whose, whether a message is timely, or when a key
// must be erased; it keeps no state but a one-round key and persists nothing. HPKE
// does not authenticate a sender: that an envelope is the one its sender meant
// follows from the sender's signature over the envelopes root.
//
// HPKE is RFC 9180, base mode, through crypto/hpke; the KEM is X-Wing as in
// draft-ietf-hpke-pq; Ed25519 is RFC 8032.
//
// The hospital's daemon calls Seal with a public key out of a manifest all of whose
// Joins it verified, and Open with the associated data it derived itself; whoever
// calls Verify has taken the key from the pinned charter.
//
// Everything here is safe to share between goroutines.
package envelope
