package envelope

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// ErrSignature: the signature is not the signer's over this message in this context.
var ErrSignature = errors.New("signature does not verify")

const signatureLabel = "atrium/signature/v1"

// Kind is the kind of a signed message; a signature over one kind is none over another.
type Kind string

// The kinds of message.
const (
	Join       Kind = "join"       // a hospital takes part in a round
	Submission Kind = "submission" // a hospital's update, by its roots
	Ready      Kind = "ready"      // a custodian holds its share sum for a candidate
	Send       Kind = "send"       // a custodian gives its share sum
	Vouch      Kind = "vouch"      // a hospital's fingerprint of its own ciphertext
	Derived    Kind = "derived"    // a custodian computed a version itself
	Burn       Kind = "burn"       // a custodian never sends under a manifest
	Decline    Kind = "decline"    // a hospital does not do its part of a round
	Charter    Kind = "charter"    // a member countersigns a charter
	Card       Kind = "card"       // the log key vouches for a version
	Closing    Kind = "closing"    // a custodian closes an epoch
)

func (k Kind) known() bool {
	switch k {
	case Join, Submission, Ready, Send, Vouch, Derived, Burn, Decline, Charter, Card, Closing:
		return true
	}
	return false
}

// signingInput is the label, then kind, federation, signer and body, each after its
// length as an 8-byte big-endian integer.
func signingInput(kind Kind, federation string, signer federation.HospitalID, body []byte) []byte {
	b := make([]byte, 0, len(signatureLabel)+4*8+len(kind)+len(federation)+len(signer)+len(body))
	b = append(b, signatureLabel...)
	b = appendField(b, kind)
	b = appendField(b, federation)
	b = appendField(b, signer)
	return appendField(b, body)
}

// Sign returns the Ed25519 signature (64 bytes) of a message's canonical bytes. It
// panics for a kind that is not one of this package's and for a key of the wrong
// length: both are the program's own.
func Sign(key ed25519.PrivateKey, kind Kind, federation string, signer federation.HospitalID, body []byte) []byte {
	if !kind.known() {
		panic(fmt.Sprintf("envelope: sign message of unknown kind %q", kind))
	}
	return ed25519.Sign(key, signingInput(kind, federation, signer, body))
}

// Verify checks a signature that came from outside; the error wraps ErrSignature
// and names kind and signer.
func Verify(pub ed25519.PublicKey, kind Kind, federation string, signer federation.HospitalID, body, signature []byte) error {
	reason := ""
	switch {
	case !kind.known():
		reason = ": unknown kind"
	case len(pub) != ed25519.PublicKeySize:
		reason = fmt.Sprintf(": public key of %d bytes", len(pub))
	case ed25519.Verify(pub, signingInput(kind, federation, signer, body), signature):
		return nil
	}
	return fmt.Errorf("verify %q of %s in %s: %w%s", kind, signer, federation, ErrSignature, reason)
}
