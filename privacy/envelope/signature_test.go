package envelope

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

var kinds = []Kind{Join, Submission, Ready, Send, Vouch, Derived, Burn, Decline, Charter, Card, Closing}

func signer(seed byte) (ed25519.PrivateKey, ed25519.PublicKey) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return key, key.Public().(ed25519.PublicKey)
}

func TestSignVerify(t *testing.T) {
	key, pub := signer(1)
	for _, kind := range kinds {
		signature := Sign(key, kind, "cardiology", "h-a", []byte("body"))
		for _, as := range kinds {
			err := Verify(pub, as, "cardiology", "h-a", []byte("body"), signature)
			if (err == nil) != (as == kind) {
				t.Errorf("signed as %s, verified as %s: error %v", kind, as, err)
			}
		}
	}
}

func TestVerifyRefusesEveryChange(t *testing.T) {
	key, pub := signer(1)
	_, otherPub := signer(2)
	body := []byte("body")
	signature := Sign(key, Join, "cardiology", "h-a", body)
	bad := bytes.Clone(signature)
	bad[0] ^= 1
	for _, c := range []struct {
		name       string
		pub        ed25519.PublicKey
		kind       Kind
		federation string
		signer     federation.HospitalID
		body, sig  []byte
	}{
		{"key", otherPub, Join, "cardiology", "h-a", body, signature},
		{"key length", pub[1:], Join, "cardiology", "h-a", body, signature},
		{"no key", nil, Join, "cardiology", "h-a", body, signature},
		{"unknown kind", pub, "gossip", "cardiology", "h-a", body, signature},
		{"no kind", pub, "", "cardiology", "h-a", body, signature},
		{"federation", pub, Join, "oncology", "h-a", body, signature},
		{"signer", pub, Join, "cardiology", "h-b", body, signature},
		{"body", pub, Join, "cardiology", "h-a", []byte("Body"), signature},
		{"no body", pub, Join, "cardiology", "h-a", nil, signature},
		{"shifted boundary", pub, Join, "cardiologyh", "-a", body, signature},
		{"signature", pub, Join, "cardiology", "h-a", body, bad},
		{"short signature", pub, Join, "cardiology", "h-a", body, signature[1:]},
		{"no signature", pub, Join, "cardiology", "h-a", body, nil},
	} {
		err := Verify(c.pub, c.kind, c.federation, c.signer, c.body, c.sig)
		if !errors.Is(err, ErrSignature) {
			t.Errorf("other %s: error %v, want ErrSignature", c.name, err)
			continue
		}
		if !strings.Contains(err.Error(), string(c.kind)) || !strings.Contains(err.Error(), string(c.signer)) {
			t.Errorf("other %s: error %q names no kind and signer", c.name, err)
		}
	}
	plain := ed25519.Sign(key, body)
	if err := Verify(pub, Join, "cardiology", "h-a", body, plain); !errors.Is(err, ErrSignature) {
		t.Errorf("a signature without context passes: %v", err)
	}
}

func TestGoldenSignature(t *testing.T) {
	const (
		input = "61747269756d2f7369676e61747572652f76310000000000000004" + "6a6f696e" +
			"000000000000000a" + "63617264696f6c6f6779" + "0000000000000003" + "682d61" + "0000000000000004" + "626f6479"
		want = "9ab64cf60a80262552e15aeb6b5e55bc3a3bef44f916bcf9219c6fb4924674360272e3a8f18953321fb2e93826532a2e84bf77618c8b19e06d2c5665b3a01407"
	)
	if got := hex.EncodeToString(signingInput(Join, "cardiology", "h-a", []byte("body"))); got != input {
		t.Errorf("signing input %s, want %s", got, input)
	}
	key, _ := signer(1)
	if got := hex.EncodeToString(Sign(key, Join, "cardiology", "h-a", []byte("body"))); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestGoldenAssociatedData(t *testing.T) {
	ad := testAD()
	want := "atrium/envelope/v1" +
		"\x00\x00\x00\x00\x00\x00\x00\x20" + string(ad.Manifest[:]) +
		"\x00\x00\x00\x00\x00\x00\x00\x20" + string(ad.UpdateRoot[:]) +
		"\x00\x00\x00\x00\x00\x00\x00\x12h-aaaaaaaaaaaaaaaa" +
		"\x00\x00\x00\x00\x00\x00\x00\x12h-bbbbbbbbbbbbbbbb"
	got, err := ad.encode()
	if err != nil || string(got) != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
}

func TestSignPanicsForUnknownKind(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("signed a message of unknown kind")
		}
	}()
	key, _ := signer(1)
	Sign(key, "gossip", "cardiology", "h-a", nil)
}
