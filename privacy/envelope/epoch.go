package envelope

import (
	"crypto/ed25519"
	"fmt"

	"atrium/coordinator/federation"
)

// EpochMessage is a signed message between two epochs, checked against the charter of
// the one that ends.
type EpochMessage interface {
	federation.Closing | federation.Approval
	From() federation.HospitalID
}

func epochKind[T EpochMessage](m T) Kind {
	if _, ok := any(m).(federation.Closing); ok {
		return Closing
	}
	return Approval
}

// SignEpoch signs the canonical bytes of m for the one who it speaks for.
func SignEpoch[T EpochMessage](key ed25519.PrivateKey, federationName string, m T) federation.Signed {
	body := federation.Encode(m)
	return federation.Signed{Signer: m.From(), Body: body,
		Signature: Sign(key, epochKind(m), federationName, m.From(), body)}
}

// OpenEpoch decodes the canonical bytes of a signed statement, checks that the member of
// the ending epoch signed it for whom it speaks, and returns it with its digest.
func OpenEpoch[T EpochMessage](ending federation.Charter, blob []byte) (T, federation.Digest, error) {
	var zero T
	kind := epochKind(zero)
	signed, err := federation.Decode[federation.Signed](blob, 2*federation.MaxClosingBytes)
	if err != nil {
		return zero, federation.Digest{}, err
	}
	member, ok := ending.Member(signed.Signer)
	if !ok {
		return zero, federation.Digest{}, fmt.Errorf("open %s of %s: %w", kind, signed.Signer, ErrSigner)
	}
	if err := Verify(member.IdentityKey, kind, ending.Federation, signed.Signer, signed.Body, signed.Signature); err != nil {
		return zero, federation.Digest{}, err
	}
	m, err := federation.Decode[T](signed.Body, federation.MaxClosingBytes)
	if err != nil {
		return zero, federation.Digest{}, fmt.Errorf("open %s of %s: %w", kind, signed.Signer, err)
	}
	if m.From() != signed.Signer {
		return zero, federation.Digest{}, fmt.Errorf("open %s of %s: it speaks for %s: %w", kind, signed.Signer, m.From(), ErrSigner)
	}
	return m, federation.Sum(blob), nil
}

// OpenClosing is OpenEpoch of a closing statement together with the signatures of its
// proofs. federation.CheckClosing and federation.CheckProofs judge the rest.
func OpenClosing(ending federation.Charter, blob []byte) (federation.VerifiedClosing, error) {
	c, digest, err := OpenEpoch[federation.Closing](ending, blob)
	v := federation.VerifiedClosing{Closing: c, Blob: digest}
	for i := 0; err == nil && i < len(c.Answered); i++ {
		var p *federation.VerifiedProof
		if p, err = openProof(ending, c.Answered[i].Proof); err != nil {
			err = fmt.Errorf("closing statement of %s: answer %d: %w", c.Custodian, i, err)
		}
		v.Proofs = append(v.Proofs, p)
	}
	if err != nil {
		return federation.VerifiedClosing{}, err
	}
	return v, nil
}

func openProof(c federation.Charter, p *federation.Proof) (*federation.VerifiedProof, error) {
	if p == nil {
		return nil, nil
	}
	if len(p.Readies) > len(c.Custodians) {
		return nil, fmt.Errorf("%d readies of %d custodians", len(p.Readies), len(c.Custodians))
	}
	v := &federation.VerifiedProof{}
	for _, signed := range p.Readies {
		r, err := OpenMessage[federation.Ready](c, signed)
		if err != nil {
			return nil, err
		}
		v.Readies = append(v.Readies, r)
	}
	if p.Send != nil {
		s, err := OpenMessage[federation.Send](c, *p.Send)
		if err != nil {
			return nil, err
		}
		v.Send = &s
	}
	return v, nil
}

// OpenTransition checks every signature of a transition's statements; approvals are in
// the order of the releases. federation.CheckTransition judges the rest.
func OpenTransition(before, after federation.Charter, closings, approvals [][]byte) (federation.Transition, error) {
	t := federation.Transition{Old: before, New: after}
	for _, blob := range closings {
		c, err := OpenClosing(before, blob)
		if err != nil {
			return federation.Transition{}, err
		}
		t.Closings = append(t.Closings, c)
	}
	for _, blob := range approvals {
		a, digest, err := OpenEpoch[federation.Approval](before, blob)
		if err != nil {
			return federation.Transition{}, err
		}
		t.Approvals = append(t.Approvals, federation.VerifiedApproval{Approval: a, Blob: digest})
	}
	return t, nil
}
