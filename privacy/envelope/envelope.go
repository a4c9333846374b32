package envelope

import (
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/privacy/secrecy"
)

// ErrOpen: the envelope is not one that was sealed to this key with this
// associated data.
var ErrOpen = errors.New("envelope does not open")

const (
	adLabel = "atrium/envelope/v1"
	version = 1 // first byte of every envelope
)

// AssociatedData is what an envelope is for. Both sides derive it; it is not sent.
type AssociatedData struct {
	Manifest   federation.Digest     // of the round
	UpdateRoot federation.Digest     // of the update whose one-time key is shared
	From       federation.HospitalID // the submitter
	To         federation.HospitalID // the custodian
}

// encode returns adLabel, then manifest, update root, sender and receiver, each
// after its length as an 8-byte big-endian integer.
func (a AssociatedData) encode() ([]byte, error) {
	switch {
	case a.Manifest.IsZero():
		return nil, errors.New("associated data without manifest")
	case a.UpdateRoot.IsZero():
		return nil, errors.New("associated data without update root")
	case a.From == "" || len(a.From) > maxParty:
		return nil, fmt.Errorf("associated data from %q: want 1 to %d bytes", a.From, maxParty)
	case a.To == "" || len(a.To) > maxParty:
		return nil, fmt.Errorf("associated data to %q: want 1 to %d bytes", a.To, maxParty)
	}
	b := append(make([]byte, 0, maxAD), adLabel...)
	b = appendField(b, a.Manifest[:])
	b = appendField(b, a.UpdateRoot[:])
	b = appendField(b, a.From)
	return appendField(b, a.To), nil
}

func appendField[T ~string | ~[]byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
	return append(b, field...)
}

// Seal encrypts at most MaxPlaintext bytes to a public key of PublicSize bytes. The
// result is a version byte 1, the encapsulated key and the ciphertext: Overhead
// bytes longer than the plaintext, and never the same twice.
func Seal(public []byte, ad AssociatedData, plaintext []byte) ([]byte, error) {
	sealed, err := seal(public, ad, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal envelope from %s to %s: %w", ad.From, ad.To, err)
	}
	return sealed, nil
}

func seal(public []byte, ad AssociatedData, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("%d bytes: at most %d allowed", len(plaintext), MaxPlaintext)
	}
	context, err := ad.encode()
	if err != nil {
		return nil, err
	}
	pk, err := parsePublic(public)
	if err != nil {
		return nil, err
	}
	var enc, ciphertext []byte
	secrecy.Do(func() {
		var sender *hpke.Sender
		if enc, sender, err = hpke.NewSender(pk, kdf, aead, []byte(adLabel)); err == nil {
			ciphertext, err = sender.Seal(context, plaintext)
		}
	})
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, 1+len(enc)+len(ciphertext))
	sealed = append(sealed, version)
	sealed = append(sealed, enc...)
	return append(sealed, ciphertext...), nil
}

// Open decrypts what Seal made for this key and this associated data. Every other
// input is an error: ErrErased after Erase, else one that wraps ErrOpen and says
// nothing about why decryption did not succeed.
func (k *PrivateKey) Open(ad AssociatedData, sealed []byte) ([]byte, error) {
	refuse := func(reason error) error {
		return fmt.Errorf("open envelope from %s to %s: %w", ad.From, ad.To, reason)
	}
	switch {
	case len(sealed) < Overhead || len(sealed) > MaxSealed:
		return nil, refuse(fmt.Errorf("%w: %d bytes, want %d to %d", ErrOpen, len(sealed), Overhead, MaxSealed))
	case sealed[0] != version:
		return nil, refuse(fmt.Errorf("%w: version %d, want %d", ErrOpen, sealed[0], version))
	}
	context, err := ad.encode()
	if err != nil {
		return nil, refuse(fmt.Errorf("%w: %w", ErrOpen, err))
	}
	plaintext, err := k.open(sealed[1:1+encSize], context, sealed[1+encSize:])
	if errors.Is(err, ErrErased) {
		return nil, refuse(err)
	}
	if err != nil {
		return nil, refuse(ErrOpen)
	}
	return plaintext, nil
}
