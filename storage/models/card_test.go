package models

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math"
	"strings"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

func sampleCard() Card {
	return Card{
		V: 1, Federation: "cardiology", Version: 7,
		Plan: federation.Sum([]byte("plan")), Base: federation.Sum([]byte("base")),
		Snapshot: Digest(sample()), Parameters: ParametersDigest(sample()),
		Round: 9, Kind: "train", Cohort: 4, LogIndex: 311,
		Charter: federation.Sum([]byte("charter")), Time: "2026-02-03T04:05:06.000Z",
	}
}

func testKey() (sign func([]byte) []byte, verify func(body, signature []byte) error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	sign = func(body []byte) []byte { return ed25519.Sign(key, body) }
	verify = func(body, signature []byte) error {
		return ed25519.VerifyWithOptions(key.Public().(ed25519.PublicKey), body, signature, &ed25519.Options{})
	}
	return sign, verify
}

func TestSignedCard(t *testing.T) {
	sign, verify := testKey()
	card := sampleCard()
	signed, err := SignCard(card, sign)
	if err != nil {
		t.Fatal(err)
	}
	wire := federation.Encode(signed)
	back, err := DecodeSignedCard(wire)
	if err != nil {
		t.Fatal(err)
	}
	got, err := back.Open(verify)
	if err != nil || !cmp.Equal(card, got) {
		t.Errorf("card %v, error %v", cmp.Diff(card, got), err)
	}
	for i := range wire {
		bad := bytes.Clone(wire)
		bad[i] ^= 1
		if s, err := DecodeSignedCard(bad); err == nil {
			if _, err := s.Open(verify); err == nil {
				t.Errorf("byte %d changed, and the card opens", i)
			}
		}
	}
}

func TestGoldenCard(t *testing.T) {
	card := sampleCard()
	card.Plan, card.Base, card.Snapshot, card.Parameters, card.Charter = federation.Digest{1}, federation.Digest{}, federation.Digest{2}, federation.Digest{3}, federation.Digest{4}
	zeros := strings.Repeat("0", 62)
	want := `{"v":1,"federation":"cardiology","version":7,"plan":"01` + zeros + `","base":"00` + zeros + `","snapshot":"02` + zeros +
		`","parameters":"03` + zeros + `","round":9,"kind":"train","cohort":4,"log_index":311,"charter":"04` + zeros +
		`","epsilon":null,"time":"2026-02-03T04:05:06.000Z"}`
	if diff := cmp.Diff(want, string(federation.Encode(card))); diff != "" {
		t.Errorf("card (-want +got):\n%s", diff)
	}
	signed, err := SignCard(card, func(body []byte) []byte { return []byte{1, 2, 3} })
	if err != nil {
		t.Fatal(err)
	}
	if got := string(federation.Encode(signed)); got != `{"body":`+want+`,"signature":"AQID"}` {
		t.Errorf("signed card %s", got)
	}
}

func TestCardRefuses(t *testing.T) {
	number := func(x float64) *float64 { return &x }
	for name, change := range map[string]func(*Card){
		"format":         func(c *Card) { c.V = 2 },
		"federation":     func(c *Card) { c.Federation = "Cardiology" },
		"version":        func(c *Card) { c.Version = 1 << 53 },
		"plan":           func(c *Card) { c.Plan = federation.Digest{} },
		"snapshot":       func(c *Card) { c.Snapshot = federation.Digest{} },
		"parameters":     func(c *Card) { c.Parameters = federation.Digest{} },
		"round":          func(c *Card) { c.Round = math.MaxUint64 },
		"kind":           func(c *Card) { c.Kind = "" },
		"cohort":         func(c *Card) { c.Cohort = -1 },
		"log index":      func(c *Card) { c.LogIndex = -1 },
		"charter":        func(c *Card) { c.Charter = federation.Digest{} },
		"epsilon":        func(c *Card) { c.Epsilon = number(-1) },
		"no number":      func(c *Card) { c.Epsilon = number(math.NaN()) },
		"time":           func(c *Card) { c.Time = "yesterday" },
		"time zone":      func(c *Card) { c.Time = "2026-02-03T04:05:06+01:00" },
		"zone as offset": func(c *Card) { c.Time = "2026-02-03T04:05:06+00:00" },
	} {
		c := sampleCard()
		change(&c)
		_, err := SignCard(c, func([]byte) []byte { t.Errorf("%s: signed", name); return nil })
		if !errors.Is(err, ErrCard) {
			t.Errorf("%s: error %v, want ErrCard", name, err)
		}
	}
	spent := sampleCard()
	spent.Epsilon, spent.Base, spent.Version, spent.Cohort = number(1.5), federation.Digest{}, 0, 0
	if err := spent.Validate(); err != nil {
		t.Errorf("a first version with a budget: %v", err)
	}
}

func FuzzDecodeCard(f *testing.F) {
	sign, _ := testKey()
	signed, err := SignCard(sampleCard(), sign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(federation.Encode(signed))
	f.Add(federation.Encode(sampleCard()))
	f.Add([]byte(`{"body":null,"signature":null}`))
	f.Add([]byte(`{"body":{"a":1},"signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeSignedCard(b); err == nil {
			if !bytes.Equal(federation.Encode(s), b) {
				t.Errorf("signed card %q encodes to %q", b, federation.Encode(s))
			}
			s.Open(func(_, _ []byte) error { return nil })
		}
		if c, err := DecodeCard(b); err == nil && !bytes.Equal(federation.Encode(c), b) {
			t.Errorf("card %q encodes to %q", b, federation.Encode(c))
		}
	})
}
