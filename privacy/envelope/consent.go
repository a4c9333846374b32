package envelope

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"atrium/coordinator/federation"
)

// CountersignTerms signs the terms of a charter as one of its members.
func CountersignTerms(key ed25519.PrivateKey, terms federation.Charter, self federation.HospitalID) federation.Countersignature {
	return federation.Countersignature{Signer: self, Signature: Sign(key, Charter, terms.Federation, self, federation.Encode(terms.Terms()))}
}

// ErrConsent wraps every refusal of a consent.
var ErrConsent = errors.New("consent refused")

// CheckConsent checks that a consent is to these terms after charter before, that it is
// signed by a member of either, and that all in it speaks for that member.
func CheckConsent(before, terms federation.Charter, c federation.Consent) error {
	id := c.Signature.Signer
	fail := func(err error) error { return fmt.Errorf("%w: of %s: %w", ErrConsent, id, err) }
	member, ok := terms.Member(id)
	if !ok {
		if member, ok = before.Member(id); !ok {
			return fail(ErrSigner)
		}
	}
	if c.Terms != terms.Digest() {
		return fail(fmt.Errorf("it is to the terms %s, not %s", c.Terms.Short(), terms.Digest().Short()))
	}
	if err := Verify(member.IdentityKey, Charter, terms.Federation, id, federation.Encode(terms), c.Signature.Signature); err != nil {
		return fail(err)
	}
	if c.Closing != nil {
		closing, err := OpenClosing(before, federation.Encode(*c.Closing))
		if err == nil {
			err = errors.Join(federation.CheckClosing(before, closing.Closing), federation.CheckProofs(before, closing))
		}
		if err == nil && closing.Custodian != id {
			err = fmt.Errorf("closing statement of %s: %w", closing.Custodian, ErrSigner)
		}
		if err != nil {
			return fail(err)
		}
	}
	return nil
}

// Assembled is the charter of the next epoch with all that it rests on, verified.
type Assembled struct {
	Charter           federation.Charter
	Countersignatures federation.Countersignatures
	Statements        [][]byte // canonical bytes of each signed closing statement that it names
	Inherited         []federation.Answered
}

// Assemble makes the next charter of its terms and the hospitals' consents. Every member
// of it must have consented, and m−t+f+1 custodians of the epoch before must have closed it.
// An error names who is missing.
func Assemble(before, terms federation.Charter, consents []federation.Consent) (Assembled, error) {
	given := map[federation.HospitalID]federation.Consent{}
	for _, c := range consents {
		if err := CheckConsent(before, terms, c); err != nil {
			return Assembled{}, err
		}
		given[c.Signature.Signer] = c
	}
	out := Assembled{Charter: terms, Countersignatures: federation.Countersignatures{V: 1}}
	var missing []string
	for _, m := range terms.Members {
		c, ok := given[m.ID]
		if !ok {
			missing = append(missing, strings.TrimSpace(m.Name+" "+string(m.ID)))
		}
		out.Countersignatures.Signatures = append(out.Countersignatures.Signatures, c.Signature)
	}
	if len(missing) > 0 {
		return Assembled{}, fmt.Errorf("%w: that of %s is missing", ErrConsent, strings.Join(missing, ", "))
	}
	out.addClosings(before, given)
	if n, need := len(out.Statements), before.BurnQuorum(); n < need {
		return Assembled{}, fmt.Errorf("%w: %d custodians closed epoch %d: %d must, and %s did not", ErrConsent, n, before.Epoch, need, unclosed(before, given))
	}
	out.Countersignatures.Charter = out.Charter.Digest()
	var err error
	out.Inherited, err = VerifyTransition(before, out.Charter, out.Countersignatures, out.Statements)
	return out, err
}

// VerifyTransition checks everything about the passage from one charter to the next, and
// returns what custodians of the new epoch are held to. That a hospital is added is
// approved by all who countersigned.
func VerifyTransition(before, after federation.Charter, signed federation.Countersignatures, closings [][]byte) ([]federation.Answered, error) {
	if err := VerifyCountersignatures(after, signed); err != nil {
		return nil, err
	}
	t, err := OpenTransition(before, after, closings)
	if err != nil {
		return nil, err
	}
	return federation.CheckTransition(t, federation.Added(before, after))
}

// unclosed names the custodians without a closing statement.
func unclosed(before federation.Charter, given map[federation.HospitalID]federation.Consent) string {
	var names []string
	for _, id := range before.Custodians {
		if given[id].Closing == nil {
			m, _ := before.Member(id)
			names = append(names, strings.TrimSpace(m.Name+" "+string(id)))
		}
	}
	return strings.Join(names, ", ")
}

// addClosings takes the closing statements up, in the order of the custodians.
func (a *Assembled) addClosings(before federation.Charter, given map[federation.HospitalID]federation.Consent) {
	for _, id := range before.Custodians {
		if c := given[id]; c.Closing != nil {
			a.Statements = append(a.Statements, federation.Encode(*c.Closing))
			a.Charter.Closings = append(a.Charter.Closings, c.Closing.Digest())
		}
	}
}
