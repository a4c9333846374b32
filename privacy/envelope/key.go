package envelope

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"atrium/coordinator/federation"
	"atrium/privacy/secrecy"
)

// ErrErased: the one-round key is gone.
var ErrErased = errors.New("one-round key is erased")

var (
	kem  = hpke.MLKEM768X25519()
	kdf  = hpke.HKDFSHA256()
	aead = hpke.AES256GCM()
)

// PrivateKey is a custodian's one-round key. It lives in memory only: there is no
// way to export it, and every way of printing it shows the fingerprint of the
// public key.
type PrivateKey struct {
	public []byte // constant

	mu      sync.Mutex
	private hpke.PrivateKey // nil once erased; owned by mu
}

// NewKey draws a key from the operating system's randomness.
func NewKey() (*PrivateKey, error) {
	var k hpke.PrivateKey
	var err error
	secrecy.Do(func() { k, err = kem.GenerateKey() })
	if err != nil {
		return nil, fmt.Errorf("draw one-round key: %w", err)
	}
	return &PrivateKey{public: k.PublicKey().Bytes(), private: k}, nil
}

// Public returns the public key, PublicSize bytes. It stays known after Erase.
func (k *PrivateKey) Public() []byte { return append([]byte(nil), k.public...) }

// Erase drops the key; every later Open returns ErrErased. An Open that runs
// meanwhile ends first. The key's bytes become unreachable; crypto/hpke has no way
// to overwrite them, the runtime has where secrecy.Erases.
func (k *PrivateKey) Erase() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.private = nil
}

func (k *PrivateKey) open(enc, ad, ciphertext []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.private == nil {
		return nil, ErrErased
	}
	var plaintext []byte
	var err error
	secrecy.Do(func() {
		var r *hpke.Recipient
		if r, err = hpke.NewRecipient(enc, k.private, kdf, aead, []byte(adLabel)); err == nil {
			plaintext, err = r.Open(ad, ciphertext)
		}
	})
	return plaintext, err
}

// String returns the fingerprint of the public key.
func (k *PrivateKey) String() string { return Fingerprint(k.public) }

// Format prints the fingerprint whatever the verb.
func (k *PrivateKey) Format(w fmt.State, _ rune) { io.WriteString(w, k.String()) }

// LogValue implements slog.LogValuer.
func (k *PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Fingerprint names a public key for people: "hpke:" and 12 hexadecimal digits of
// its SHA-256.
func Fingerprint(public []byte) string { return "hpke:" + federation.Sum(public).Short() }

// CheckPublic reports whether Seal can use a public key that came from outside. It tries:
// an X25519 half of low order is noticed only when a secret is agreed on, and a custodian
// that brought one would keep everybody from sealing.
func CheckPublic(public []byte) error {
	pk, err := parsePublic(public)
	if err != nil {
		return err
	}
	if _, _, err := hpke.NewSender(pk, kdf, aead, nil); err != nil {
		return fmt.Errorf("public key %s: %w", Fingerprint(public), err)
	}
	return nil
}

func parsePublic(public []byte) (hpke.PublicKey, error) {
	if len(public) != PublicSize {
		return nil, fmt.Errorf("public key of %d bytes: want %d", len(public), PublicSize)
	}
	pk, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", Fingerprint(public), err)
	}
	return pk, nil
}
