package envelope

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// epochCharter is a charter of three hospitals, with their keys by pseudonym.
func epochCharter(t testing.TB) (federation.Charter, map[federation.HospitalID]ed25519.PrivateKey) {
	t.Helper()
	keys := map[federation.HospitalID]ed25519.PrivateKey{}
	var members []federation.Member
	for i := range 3 {
		key, pub := signer(byte(i + 1))
		id := federation.NewHospitalID("cardiology", pub)
		keys[id] = key
		members = append(members, federation.Member{ID: id, IdentityKey: pub, TLSKey: federation.Sum([]byte{byte(i)})})
	}
	c, err := federation.NewCharter("cardiology", "log", members, false)
	if err != nil {
		t.Fatal(err)
	}
	return c, keys
}

func TestOpenTransition(t *testing.T) {
	c, keys := epochCharter(t)
	after := c
	after.Epoch, after.Previous = 2, c.Digest()
	var closings [][]byte
	for _, id := range c.Custodians {
		signed := SignEpoch(keys[id], c.Federation, federation.Closing{V: 1, Charter: c.Digest(), Custodian: id, Answered: []federation.Answered{}})
		closings = append(closings, federation.Encode(signed))
		after.Closings = append(after.Closings, signed.Digest())
	}
	first := c.Custodians[0]
	approval := federation.Encode(SignEpoch(keys[first], c.Federation, federation.Approval{V: 1, Charter: c.Digest(), Hospital: first}))
	tr, err := OpenTransition(c, after, closings, [][]byte{approval})
	if err != nil || len(tr.Closings) != 3 || len(tr.Approvals) != 1 || tr.Approvals[0].Hospital != first {
		t.Fatalf("got %+v, %v", tr, err)
	}
	tr.Approvals = nil
	if _, err := federation.CheckTransition(tr, nil); err != nil {
		t.Errorf("the transition: %v", err)
	}
	if _, err := OpenTransition(c, after, [][]byte{approval}, nil); !errors.Is(err, ErrSignature) {
		t.Errorf("an approval as a closing statement: %v", err)
	}
	if _, err := OpenTransition(c, after, nil, closings[:1]); !errors.Is(err, ErrSignature) {
		t.Errorf("a closing statement as an approval: %v", err)
	}
}

func TestOpenEpochRefusals(t *testing.T) {
	c, keys := epochCharter(t)
	a, b := c.Custodians[0], c.Custodians[1]
	statement := federation.Closing{V: 1, Charter: c.Digest(), Custodian: a, Answered: []federation.Answered{}}
	_, stranger := signer(9)
	outsider := federation.NewHospitalID(c.Federation, stranger)
	good := SignEpoch(keys[a], c.Federation, statement)
	if _, digest, err := OpenEpoch[federation.Closing](c, federation.Encode(good)); err != nil || digest != good.Digest() {
		t.Fatalf("digest %s, %v", digest.Short(), err)
	}
	for name, x := range map[string]struct {
		signed federation.Signed
		want   error
	}{
		"signed by another":     {SignEpoch(keys[b], c.Federation, statement), ErrSignature},
		"of another federation": {SignEpoch(keys[a], "oncology", statement), ErrSignature},
		"of a stranger":         {federation.Signed{Signer: outsider, Body: good.Body, Signature: good.Signature}, ErrSigner},
		"for another":           {federation.Signed{Signer: b, Body: good.Body, Signature: Sign(keys[b], Closing, c.Federation, b, good.Body)}, ErrSigner},
		"body that is not one":  {federation.Signed{Signer: a, Body: []byte("{}"), Signature: Sign(keys[a], Closing, c.Federation, a, []byte("{}"))}, federation.ErrNotCanonical},
	} {
		if _, _, err := OpenEpoch[federation.Closing](c, federation.Encode(x.signed)); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	if _, _, err := OpenEpoch[federation.Closing](c, append(federation.Encode(good), ' ')); !errors.Is(err, federation.ErrNotCanonical) {
		t.Errorf("trailing bytes: %v", err)
	}
}
