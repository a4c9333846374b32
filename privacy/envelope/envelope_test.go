package envelope

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

var update = flag.Bool("update", false, "rewrite testdata")

func testAD() AssociatedData {
	return AssociatedData{
		Manifest:   federation.Sum([]byte("manifest")),
		UpdateRoot: federation.Sum([]byte("update")),
		From:       "h-aaaaaaaaaaaaaaaa",
		To:         "h-bbbbbbbbbbbbbbbb",
	}
}

// fixedKey is a key that is the same in every run; only its randomness differs
// from one that NewKey draws.
func fixedKey(t testing.TB) *PrivateKey {
	t.Helper()
	k, err := kem.NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &PrivateKey{public: k.PublicKey().Bytes(), private: k}
}

func newKey(t testing.TB) *PrivateKey {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, k *PrivateKey, ad AssociatedData, plaintext []byte) []byte {
	t.Helper()
	sealed, err := Seal(k.Public(), ad, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealOpen(t *testing.T) {
	k := newKey(t)
	if n := len(k.Public()); n != PublicSize {
		t.Fatalf("public key of %d bytes, want %d", n, PublicSize)
	}
	for _, n := range []int{0, 1, 16 << 10, MaxPlaintext} {
		plaintext := bytes.Repeat([]byte{0xA5}, n)
		sealed := mustSeal(t, k, testAD(), plaintext)
		if len(sealed) != n+Overhead {
			t.Errorf("%d bytes sealed to %d, want %d more", n, len(sealed), Overhead)
		}
		got, err := k.Open(testAD(), sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("open %d bytes: got %d bytes, error %v", n, len(got), err)
		}
	}
	if bytes.Equal(mustSeal(t, k, testAD(), []byte("x")), mustSeal(t, k, testAD(), []byte("x"))) {
		t.Error("two envelopes of one plaintext are equal")
	}
}

func TestOpenRefusesOtherContext(t *testing.T) {
	k := newKey(t)
	sealed := mustSeal(t, k, testAD(), []byte("share"))
	for name, change := range map[string]func(*AssociatedData){
		"manifest":    func(a *AssociatedData) { a.Manifest[31] ^= 1 },
		"update root": func(a *AssociatedData) { a.UpdateRoot[0] ^= 1 },
		"from":        func(a *AssociatedData) { a.From = "h-aaaaaaaaaaaaaaab" },
		"to":          func(a *AssociatedData) { a.To = "h-bbbbbbbbbbbbbbbc" },
		"swapped":     func(a *AssociatedData) { a.From, a.To = a.To, a.From },
		"shifted":     func(a *AssociatedData) { a.From, a.To = a.From+"h", a.To[1:] },
		"none":        func(a *AssociatedData) { *a = AssociatedData{} },
	} {
		ad := testAD()
		change(&ad)
		if got, err := k.Open(ad, sealed); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("other %s: got %q, error %v, want ErrOpen", name, got, err)
		}
	}
	if _, err := newKey(t).Open(testAD(), sealed); !errors.Is(err, ErrOpen) {
		t.Errorf("other key: error %v, want ErrOpen", err)
	}
}

func TestOpenRefusesEveryChangedByte(t *testing.T) {
	k := newKey(t)
	sealed := mustSeal(t, k, testAD(), []byte("share"))
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x40
		if got, err := k.Open(testAD(), bad); !errors.Is(err, ErrOpen) || got != nil {
			t.Fatalf("byte %d changed: got %q, error %v, want ErrOpen", i, got, err)
		}
	}
	for _, bad := range [][]byte{nil, sealed[:1], sealed[:Overhead-1], sealed[:len(sealed)-1], append(bytes.Clone(sealed), 0), make([]byte, MaxSealed+1)} {
		if _, err := k.Open(testAD(), bad); !errors.Is(err, ErrOpen) {
			t.Errorf("%d bytes: error %v, want ErrOpen", len(bad), err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	public, ad := newKey(t).Public(), testAD()
	noSender := ad
	noSender.From = ""
	longReceiver := ad
	longReceiver.To = federation.HospitalID(strings.Repeat("h", maxParty+1))
	notAKey := bytes.Repeat([]byte{0xFF}, PublicSize) // coefficients above ML-KEM's modulus
	lowOrder := append(bytes.Clone(public[:PublicSize-32]), make([]byte, 32)...)
	for _, c := range []struct {
		name, want string
		public     []byte
		ad         AssociatedData
		plaintext  []byte
	}{
		{"long plaintext", "at most 65536", public, ad, make([]byte, MaxPlaintext+1)},
		{"short key", "want 1216", public[1:], ad, nil},
		{"no key", "want 1216", nil, ad, nil},
		{"coefficients out of range", "public key hpke:", notAKey, ad, nil},
		{"point of low order", "x25519", lowOrder, ad, nil},
		{"no sender", "associated data from", public, noSender, nil},
		{"long receiver", "associated data to", public, longReceiver, nil},
		{"no manifest", "without manifest", public, AssociatedData{}, nil},
	} {
		sealed, err := Seal(c.public, c.ad, c.plaintext)
		if err == nil || sealed != nil || !strings.Contains(strings.ToLower(err.Error()), c.want) {
			t.Errorf("%s: %d bytes, error %v, want %q", c.name, len(sealed), err, c.want)
		}
	}
	if err := CheckPublic(public); err != nil {
		t.Errorf("check good key: %v", err)
	}
	if CheckPublic(notAKey) == nil || CheckPublic(nil) == nil {
		t.Error("bad public key passes")
	}
}

// TestGoldenEnvelope opens an envelope that an earlier build sealed.
func TestGoldenEnvelope(t *testing.T) {
	k, file := fixedKey(t), filepath.Join("testdata", "envelope.v1")
	if *update {
		if err := os.WriteFile(file, mustSeal(t, k, testAD(), []byte("a share of a one-time key")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Open(testAD(), sealed)
	if err != nil || string(got) != "a share of a one-time key" {
		t.Errorf("got %q, error %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	k, other := fixedKey(f), newKey(f)
	sealed := mustSeal(f, k, testAD(), []byte("share"))
	f.Add(sealed)
	f.Add(sealed[:Overhead])
	f.Add(mustSeal(f, other, testAD(), []byte("share")))
	f.Add(bytes.Repeat([]byte{version}, Overhead))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := k.Open(testAD(), b)
		if err == nil && len(got)+Overhead != len(b) {
			t.Errorf("%d bytes opened to %d", len(b), len(got))
		}
		if err != nil && !errors.Is(err, ErrOpen) {
			t.Errorf("error %v is not ErrOpen", err)
		}
	})
}
