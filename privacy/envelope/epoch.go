package envelope

import (
	"crypto/ed25519"
	"fmt"

	"atrium/coordinator/federation"
)

// SignClosing signs the canonical bytes of a closing statement for its custodian.
func SignClosing(key ed25519.PrivateKey, federationName string, c federation.Closing) federation.Signed {
	body := federation.Encode(c)
	return federation.Signed{Signer: c.From(), Body: body, Signature: Sign(key, Closing, federationName, c.From(), body)}
}

// OpenClosing decodes the canonical bytes of a signed closing statement, checks that the member
// of the ending epoch signed it for whom it speaks, and the signatures of its proofs.
// federation.CheckClosing and federation.CheckProofs judge the rest.
func OpenClosing(ending federation.Charter, blob []byte) (federation.VerifiedClosing, error) {
	c, err := openStatement(ending, blob)
	v := federation.VerifiedClosing{Closing: c, Blob: federation.Sum(blob)}
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

func openStatement(ending federation.Charter, blob []byte) (federation.Closing, error) {
	var c federation.Closing
	signed, err := federation.Decode[federation.Signed](blob, 2*federation.MaxClosingBytes)
	if err != nil {
		return c, err
	}
	member, ok := ending.Member(signed.Signer)
	if !ok {
		return c, fmt.Errorf("open %s of %s: %w", Closing, signed.Signer, ErrSigner)
	}
	if err := Verify(member.IdentityKey, Closing, ending.Federation, signed.Signer, signed.Body, signed.Signature); err != nil {
		return c, err
	}
	if c, err = federation.DecodeClosing(signed.Body); err != nil {
		return c, fmt.Errorf("open %s of %s: %w", Closing, signed.Signer, err)
	}
	if c.From() != signed.Signer {
		return c, fmt.Errorf("open %s of %s: it speaks for %s: %w", Closing, signed.Signer, c.From(), ErrSigner)
	}
	return c, nil
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

// OpenTransition checks every signature of a transition's statements. federation.CheckTransition
// judges the rest.
func OpenTransition(before, after federation.Charter, closings [][]byte) (federation.Transition, error) {
	t := federation.Transition{Old: before, New: after}
	for _, blob := range closings {
		c, err := OpenClosing(before, blob)
		if err != nil {
			return federation.Transition{}, err
		}
		t.Closings = append(t.Closings, c)
	}
	return t, nil
}
