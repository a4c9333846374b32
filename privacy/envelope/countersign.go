package envelope

import (
	"fmt"

	"atrium/coordinator/federation"
)

// VerifyCountersignatures checks that every member of the charter signed it, once.
func VerifyCountersignatures(c federation.Charter, signed federation.Countersignatures) error {
	if signed.V != 1 || signed.Charter != c.Digest() || len(signed.Signatures) != len(c.Members) {
		return fmt.Errorf("countersignatures of charter %s: %d of %d, for charter %s: %w",
			c.Digest().Short(), len(signed.Signatures), len(c.Members), signed.Charter.Short(), ErrSignature)
	}
	body := federation.Encode(c.Terms())
	for i, m := range c.Members {
		s := signed.Signatures[i]
		if s.Signer != m.ID {
			return fmt.Errorf("countersignature %d is of %s, not of %s: %w", i, s.Signer, m.ID, ErrSignature)
		}
		if err := Verify(m.IdentityKey, Charter, c.Federation, m.ID, body, s.Signature); err != nil {
			return err
		}
	}
	return nil
}
