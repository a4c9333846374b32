package envelope

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// members returns a charter of three hospitals and their identity keys.
func members(t *testing.T) (federation.Charter, map[federation.HospitalID]ed25519.PrivateKey) {
	t.Helper()
	keys := map[federation.HospitalID]ed25519.PrivateKey{}
	var list []federation.Member
	for i := range 3 {
		key := ed25519.NewKeyFromSeed(append(make([]byte, 31), byte(i+1)))
		public := key.Public().(ed25519.PublicKey)
		id := federation.NewHospitalID("test", public)
		keys[id] = key
		list = append(list, federation.Member{ID: id, IdentityKey: public, TLSKey: federation.Digest{byte(i + 1)}})
	}
	c, err := federation.NewCharter("test", "log", list, false)
	if err != nil {
		t.Fatal(err)
	}
	return c, keys
}

// roundTrip signs and opens a message, then opens what must be refused: another format,
// another signer, and its signature over another kind.
func roundTrip[T Message](t *testing.T, c federation.Charter, key ed25519.PrivateKey, good, otherFormat, otherSigner T) {
	t.Helper()
	if _, err := OpenMessage[T](c, SignMessage(key, c.Federation, good)); err != nil {
		t.Errorf("%T: %v", good, err)
	}
	if _, err := OpenMessage[T](c, SignMessage(key, c.Federation, otherFormat)); !errors.Is(err, ErrFormat) {
		t.Errorf("%T of another format: %v", good, err)
	}
	if _, err := OpenMessage[T](c, SignMessage(key, c.Federation, otherSigner)); err == nil {
		t.Errorf("%T for someone else is accepted", good)
	}
	if _, err := OpenMessage[T](c, SignMessage(key, "another", good)); !errors.Is(err, ErrSignature) {
		t.Errorf("%T of another federation: %v", good, err)
	}
	signed := SignMessage(key, c.Federation, good)
	signed.Signer = c.Members[0].ID
	if signed.Signer != good.From() {
		if _, err := OpenMessage[T](c, signed); !errors.Is(err, ErrSignature) {
			t.Errorf("%T under another name: %v", good, err)
		}
	}
}

func TestMessages(t *testing.T) {
	c, keys := members(t)
	me, other := c.Members[1].ID, c.Members[2].ID
	key := keys[me]
	roundTrip(t, c, key, federation.Join{V: 1, Hospital: me}, federation.Join{V: 2, Hospital: me}, federation.Join{V: 1, Hospital: other})
	roundTrip(t, c, key, federation.Submission{V: 1, Hospital: me}, federation.Submission{Hospital: me}, federation.Submission{V: 1, Hospital: other})
	roundTrip(t, c, key, federation.Decline{V: 1, Hospital: me}, federation.Decline{V: 99, Hospital: me}, federation.Decline{V: 1, Hospital: other})
	roundTrip(t, c, key, federation.Ready{V: 1, Custodian: me}, federation.Ready{V: 2, Custodian: me}, federation.Ready{V: 1, Custodian: other})
	roundTrip(t, c, key, federation.Send{V: 1, Custodian: me}, federation.Send{V: 2, Custodian: me}, federation.Send{V: 1, Custodian: other})
	roundTrip(t, c, key, federation.Vouch{V: 1, Hospital: me}, federation.Vouch{V: 2, Hospital: me}, federation.Vouch{V: 1, Hospital: other})
	roundTrip(t, c, key, federation.Derived{V: 1, Custodian: me}, federation.Derived{V: 2, Custodian: me}, federation.Derived{V: 1, Custodian: other})
	roundTrip(t, c, key, federation.Objection{V: 1, Custodian: me}, federation.Objection{V: 2, Custodian: me}, federation.Objection{V: 1, Custodian: other})
	roundTrip(t, c, key, federation.Burn{V: 1, Custodian: me}, federation.Burn{V: -1, Custodian: me}, federation.Burn{V: 1, Custodian: other})
}

// TestKindsOfMessages: no two types of message are signed as one kind.
func TestKindsOfMessages(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range []Kind{kindOf(federation.Join{}), kindOf(federation.Submission{}), kindOf(federation.Ready{}), kindOf(federation.Send{}),
		kindOf(federation.Vouch{}), kindOf(federation.Derived{}), kindOf(federation.Objection{}), kindOf(federation.Burn{}), kindOf(federation.Decline{})} {
		if seen[k] {
			t.Errorf("two types are signed as %s", k)
		}
		seen[k] = true
	}
}

func TestMessageOfAStranger(t *testing.T) {
	c, _ := members(t)
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	id := federation.NewHospitalID("test", key.Public().(ed25519.PublicKey))
	if _, err := OpenMessage[federation.Burn](c, SignMessage(key, "test", federation.Burn{V: 1, Custodian: id})); !errors.Is(err, ErrSigner) {
		t.Errorf("a stranger's burn: %v", err)
	}
}

func TestCountersignatures(t *testing.T) {
	c, keys := members(t)
	signed := federation.Countersignatures{V: 1, Charter: c.Digest()}
	for _, m := range c.Members {
		signed.Signatures = append(signed.Signatures, federation.Countersignature{Signer: m.ID,
			Signature: Sign(keys[m.ID], Charter, c.Federation, m.ID, federation.Encode(c))})
	}
	if err := VerifyCountersignatures(c, signed); err != nil {
		t.Fatal(err)
	}
	short := signed
	short.Signatures = signed.Signatures[:2]
	swapped := signed
	swapped.Signatures = []federation.Countersignature{signed.Signatures[1], signed.Signatures[0], signed.Signatures[2]}
	forged := signed
	forged.Signatures = append([]federation.Countersignature(nil), signed.Signatures...)
	forged.Signatures[2].Signature = signed.Signatures[1].Signature
	for name, bad := range map[string]federation.Countersignatures{"one short": short, "swapped": swapped, "forged": forged} {
		if err := VerifyCountersignatures(c, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
