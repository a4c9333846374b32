package roundlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Algorithm bytes of C2SP signed-note.
const (
	algEd25519     = 1
	algCosignature = 4
)

// Key is a log's signing key. Its name is the log's origin.
type Key struct {
	name     string
	private  ed25519.PrivateKey
	verifier string
}

// ValidOrigin reports whether s may name a log or a cosigner: 1 to [MaxOrigin] bytes of
// letters, digits and "-._/:".
func ValidOrigin(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._/:", c) < 0 {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= MaxOrigin
}

// GenerateKey draws a key for the log called name, 32 bytes from random.
func GenerateKey(name string, random io.Reader) (*Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("generate log key %s: %w", name, err)
	}
	return newKey(name, seed)
}

func newKey(name string, seed []byte) (*Key, error) {
	if !ValidOrigin(name) {
		return nil, fmt.Errorf("%w: name %q", ErrKey, name)
	}
	private := ed25519.NewKeyFromSeed(seed)
	verifier, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &Key{name: name, private: private, verifier: verifier}, nil
}

// ParseKey reads what [Key.Secret] wrote.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimSuffix(text, "\n")
	parts := strings.SplitN(text, "+", 5)
	if len(text) > maxKeyText || len(parts) != 5 || parts[0] != "PRIVATE" || parts[1] != "KEY" {
		return nil, fmt.Errorf("%w: not a log key", ErrKey)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != algEd25519 {
		return nil, fmt.Errorf("%w: not an Ed25519 log key", ErrKey)
	}
	k, err := newKey(parts[2], raw[1:])
	if err == nil && k.Secret() != text+"\n" {
		return nil, fmt.Errorf("%w: its parts disagree", ErrKey)
	}
	return k, err
}

// Secret is the key as one line of text, in the form of golang.org/x/mod/sumdb/note. It is
// for a file of mode 0600 and for nothing else.
func (k *Key) Secret() string {
	seed := append([]byte{algEd25519}, k.private.Seed()...)
	return fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s\n", k.name, k.KeyHash(), base64.StdEncoding.EncodeToString(seed))
}

// Verifier is the public key in note verifier form, <name>+<hash>+<base64>; a charter
// pins it.
func (k *Key) Verifier() string { return k.verifier }

// Name is the log's origin.
func (k *Key) Name() string { return k.name }

// KeyHash and Sign make a Key a signer of notes.
func (k *Key) KeyHash() uint32 {
	return keyID(k.name, algEd25519, k.private.Public().(ed25519.PublicKey))
}

// Sign signs msg as it is; the note or the batch around it gives the context.
func (k *Key) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil }

// is reports whether v is the public part of the key.
func (k *Key) is(v note.Verifier) bool { return v.Name() == k.name && v.KeyHash() == k.KeyHash() }

// String names the key by its public part.
func (k *Key) String() string { return "log key " + k.verifier }

// GoString is String, so that no verb of fmt shows the secret.
func (k *Key) GoString() string { return k.String() }

// Format prints String under every verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue is String.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// keyID is the 32-bit key ID of C2SP signed-note.
func keyID(name string, alg byte, key ed25519.PublicKey) uint32 {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%c", name, alg) // alg < 0x80: one byte
	h.Write(key)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// newVerifier parses a verifier key.
func newVerifier(verifier string) (note.Verifier, error) {
	if len(verifier) > maxKeyText {
		return nil, fmt.Errorf("%w: verifier of %d bytes", ErrKey, len(verifier))
	}
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return nil, fmt.Errorf("%w: verifier %q: %w", ErrKey, verifier, err)
	}
	if !ValidOrigin(v.Name()) {
		return nil, fmt.Errorf("%w: verifier name %q", ErrKey, v.Name())
	}
	return v, nil
}
