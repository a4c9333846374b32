package envelope

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// ErrSigner: the message was signed by someone else than it speaks for, or by no member.
var ErrSigner = errors.New("signer is not who the message speaks for")

// ErrFormat: the message is of a format that this program does not know.
var ErrFormat = errors.New("message format is unknown")

// Message is a signed message of a round.
type Message interface {
	federation.Join | federation.Submission | federation.Ready | federation.Send | federation.Vouch | federation.Derived | federation.Objection | federation.Burn | federation.Decline
	From() federation.HospitalID
	Format() int
}

// kindOf has one kind for each type of Message.
func kindOf[T Message](m T) Kind {
	switch any(m).(type) {
	case federation.Join:
		return Join
	case federation.Submission:
		return Submission
	case federation.Ready:
		return Ready
	case federation.Send:
		return Send
	case federation.Vouch:
		return Vouch
	case federation.Derived:
		return Derived
	case federation.Objection:
		return Objection
	case federation.Burn:
		return Burn
	}
	return Decline
}

// SignMessage signs the canonical bytes of m for the one who it speaks for.
func SignMessage[T Message](key ed25519.PrivateKey, federationName string, m T) federation.Signed {
	body := federation.Encode(m)
	return federation.Signed{Signer: m.From(), Body: body,
		Signature: Sign(key, kindOf(m), federationName, m.From(), body)}
}

// OpenMessage checks that a member of the charter signed the message, that it speaks
// for that member in a format that this program knows, and returns it decoded.
func OpenMessage[T Message](c federation.Charter, signed federation.Signed) (T, error) {
	var zero T
	kind := kindOf(zero)
	member, ok := c.Member(signed.Signer)
	if !ok {
		return zero, fmt.Errorf("open %s of %s: %w", kind, signed.Signer, ErrSigner)
	}
	if err := Verify(member.IdentityKey, kind, c.Federation, signed.Signer, signed.Body, signed.Signature); err != nil {
		return zero, err
	}
	m, err := federation.Decode[T](signed.Body, federation.MaxMessageBytes)
	if err != nil {
		return zero, fmt.Errorf("open %s of %s: %w", kind, signed.Signer, err)
	}
	if m.Format() != 1 {
		return zero, fmt.Errorf("open %s of %s: format %d: %w", kind, signed.Signer, m.Format(), ErrFormat)
	}
	if m.From() != signed.Signer {
		return zero, fmt.Errorf("open %s of %s: it speaks for %s: %w", kind, signed.Signer, m.From(), ErrSigner)
	}
	return m, nil
}

// DecodeMessage is OpenMessage on the canonical bytes of a Signed; it also returns
// their digest, by which the log names the message.
func DecodeMessage[T Message](c federation.Charter, blob []byte) (T, federation.Digest, error) {
	var zero T
	signed, err := federation.DecodeSigned(blob)
	if err != nil {
		return zero, federation.Digest{}, err
	}
	m, err := OpenMessage[T](c, signed)
	return m, federation.Sum(blob), err
}

// OpenManifest decodes a manifest's canonical bytes and checks every signature inside.
// federation.CheckManifest judges the rest.
func OpenManifest(c federation.Charter, blob []byte) (federation.VerifiedManifest, error) {
	m, err := federation.DecodeManifest(blob)
	if err != nil {
		return federation.VerifiedManifest{}, err
	}
	v := federation.VerifiedManifest{Manifest: m, Digest: federation.Sum(blob)}
	if len(m.Joins) > len(c.Members) || len(m.Declines) > len(c.Members) || len(m.Certificates) > federation.MaxCertificates {
		return v, fmt.Errorf("open manifest %s: %d joins, %d declines, %d certificates", v.Digest.Short(), len(m.Joins), len(m.Declines), len(m.Certificates))
	}
	for _, signed := range m.Joins {
		join, err := OpenMessage[federation.Join](c, signed)
		if err != nil {
			return v, fmt.Errorf("open manifest %s: %w", v.Digest.Short(), err)
		}
		v.Joins = append(v.Joins, federation.VerifiedJoin{Join: join, Blob: signed.Digest()})
	}
	for _, signed := range m.Declines {
		decline, err := OpenMessage[federation.Decline](c, signed)
		if err != nil {
			return v, fmt.Errorf("open manifest %s: %w", v.Digest.Short(), err)
		}
		v.Declines = append(v.Declines, federation.VerifiedDecline{Decline: decline, Blob: signed.Digest()})
	}
	for _, cert := range m.Certificates {
		var burns []federation.VerifiedBurn
		for _, signed := range cert.Burns {
			burn, err := OpenMessage[federation.Burn](c, signed)
			if err != nil {
				return v, fmt.Errorf("open manifest %s: certificate of %s: %w", v.Digest.Short(), cert.Manifest.Short(), err)
			}
			burns = append(burns, burn)
		}
		v.Burns = append(v.Burns, burns)
	}
	return v, nil
}
