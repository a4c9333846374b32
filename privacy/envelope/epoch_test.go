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

func closing(c federation.Charter, id federation.HospitalID, answered ...federation.Answered) federation.Closing {
	return federation.Closing{V: 1, Charter: c.Digest(), Custodian: id, Answered: append([]federation.Answered{}, answered...),
		Before: []federation.Answered{}, Random: federation.Sum([]byte("random"))}
}

// TestOpenClosing: the messages of a proof are opened with the statement, and a forged one
// refuses all of it.
func TestOpenClosing(t *testing.T) {
	c, keys := epochCharter(t)
	me, manifest, candidate := c.Custodians[0], federation.Sum([]byte("M")), federation.Sum([]byte("C"))
	a := federation.Answered{Manifest: manifest, Candidate: candidate, Questions: []string{"train/q"}, Set: federation.SetDigest(c.Groups)}
	sent := SignMessage(keys[me], c.Federation, federation.Send{V: 1, Manifest: manifest, Candidate: candidate, Custodian: me})
	proof := federation.Proof{Send: &sent}
	for _, id := range c.Custodians {
		proof.Readies = append(proof.Readies, SignMessage(keys[id], c.Federation,
			federation.Ready{V: 1, Manifest: manifest, Candidate: candidate, Custodian: id, Asks: federation.AsksDigest(a.Questions, a.Set)}))
	}
	open := func(p federation.Proof) (federation.VerifiedClosing, error) {
		a.Proof = &p
		v, err := OpenClosing(c, federation.Encode(SignClosing(keys[me], c.Federation, closing(c, me, a))))
		if err == nil {
			err = federation.CheckProofs(c, v)
		}
		return v, err
	}
	if v, err := open(proof); err != nil || len(v.Proofs) != 1 || len(v.Proofs[0].Readies) != 3 || v.Proofs[0].Send.Custodian != me {
		t.Fatalf("opened %+v, %v", v, err)
	}
	lost := proof
	lost.Send = nil
	if _, err := open(lost); err != nil {
		t.Errorf("without the send that was lost: %v", err)
	}
	for name, change := range map[string]func(p *federation.Proof){
		"a ready signed by another":              func(p *federation.Proof) { p.Readies[1].Signature = p.Readies[0].Signature },
		"a ready of a stranger":                  func(p *federation.Proof) { p.Readies[1].Signer = "h-aaaaaaaaaaaaaaaa" },
		"a send for a ready":                     func(p *federation.Proof) { p.Readies[0] = sent },
		"a ready for a send":                     func(p *federation.Proof) { p.Send = &p.Readies[0] },
		"more readies than there are custodians": func(p *federation.Proof) { p.Readies = append(p.Readies, p.Readies...) },
	} {
		bad := proof
		bad.Readies = append([]federation.Signed(nil), proof.Readies...)
		change(&bad)
		if _, err := open(bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestOpenTransition(t *testing.T) {
	c, keys := epochCharter(t)
	after := c
	after.Epoch, after.Previous = 2, c.Digest()
	var closings [][]byte
	for _, id := range c.Custodians {
		signed := SignClosing(keys[id], c.Federation, closing(c, id))
		closings = append(closings, federation.Encode(signed))
		after.Closings = append(after.Closings, signed.Digest())
	}
	first := c.Custodians[0]
	tr, err := OpenTransition(c, after, closings)
	if err != nil || len(tr.Closings) != 3 {
		t.Fatalf("got %+v, %v", tr, err)
	}
	if _, err := federation.CheckTransition(tr, nil); err != nil {
		t.Errorf("the transition: %v", err)
	}
	burn := federation.Encode(SignMessage(keys[first], c.Federation, federation.Burn{V: 1, Custodian: first}))
	if _, err := OpenTransition(c, after, [][]byte{burn}); !errors.Is(err, ErrSignature) {
		t.Errorf("a burn as a closing statement: %v", err)
	}
}

func TestOpenClosingRefusals(t *testing.T) {
	c, keys := epochCharter(t)
	a, b := c.Custodians[0], c.Custodians[1]
	statement := closing(c, a)
	_, stranger := signer(9)
	outsider := federation.NewHospitalID(c.Federation, stranger)
	good := SignClosing(keys[a], c.Federation, statement)
	if v, err := OpenClosing(c, federation.Encode(good)); err != nil || v.Blob != good.Digest() {
		t.Fatalf("digest %s, %v", v.Blob.Short(), err)
	}
	for name, x := range map[string]struct {
		signed federation.Signed
		want   error
	}{
		"signed by another":     {SignClosing(keys[b], c.Federation, statement), ErrSignature},
		"of another federation": {SignClosing(keys[a], "oncology", statement), ErrSignature},
		"of a stranger":         {federation.Signed{Signer: outsider, Body: good.Body, Signature: good.Signature}, ErrSigner},
		"for another":           {federation.Signed{Signer: b, Body: good.Body, Signature: Sign(keys[b], Closing, c.Federation, b, good.Body)}, ErrSigner},
		"body that is not one":  {federation.Signed{Signer: a, Body: []byte("{}"), Signature: Sign(keys[a], Closing, c.Federation, a, []byte("{}"))}, federation.ErrNotCanonical},
	} {
		if _, err := OpenClosing(c, federation.Encode(x.signed)); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	if _, err := OpenClosing(c, append(federation.Encode(good), ' ')); !errors.Is(err, federation.ErrNotCanonical) {
		t.Errorf("trailing bytes: %v", err)
	}
}
