package envelope

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Signer is the log's signing key.
type Signer interface {
	Sign(msg []byte) ([]byte, error)
}

// logSigner stands for the log in the context of a signature by its key.
const logSigner = "log"

// SignCard signs the canonical bytes of a version's card with the log's key, which
// cannot fail for an Ed25519 key in memory.
func SignCard(key Signer, federationName string, body []byte) []byte {
	signature, err := key.Sign(signingInput(Card, federationName, logSigner, body))
	if err != nil {
		panic(fmt.Sprintf("envelope: sign card: %v", err))
	}
	return signature
}

// VerifyCard checks a card's signature against the log's verifier key in signed-note
// form, "name+hash+base64(algorithm ‖ key)".
func VerifyCard(verifier, federationName string, body, signature []byte) error {
	if _, err := note.NewVerifier(verifier); err != nil {
		return fmt.Errorf("verify card: %w", err)
	}
	parts := strings.SplitN(verifier, "+", 3) // base64 may hold more of them
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 {
		return fmt.Errorf("verify card: log key of %d bytes", len(key))
	}
	return Verify(key[1:], Card, federationName, logSigner, body, signature)
}
