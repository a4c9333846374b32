package setup

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"atrium/client/policy"
	"atrium/coordinator/federation"
)

// FuzzParsePolicy: a policy that is read is a valid one, and says no more than its text.
func FuzzParsePolicy(f *testing.F) {
	digest := strings.Repeat("ab", 32)
	f.Add([]byte("plans: [\"" + digest + "\"]\nkinds: [train]\npeers: [\"" + digest + "\"]\n"))
	f.Add([]byte("plans: []\nkinds: [statistics, train, evaluate]\npaused: true\nmin_cohort: 3\nmin_records: 1\nmin_bits: 16\npeers:\n"))
	f.Add([]byte("releases: [{plan: " + digest + ", manifest: \"" + digest + "\"}]\n"))
	f.Add([]byte("peers: []\npaused: no\nkinds: {}\n"))
	f.Add([]byte("min_cohort: -1\nmin_bits: 0x20\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePolicy("p.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p.yaml:") {
				t.Errorf("a refusal without the file's name: %v", err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("an invalid policy is read: %v", err)
		}
		for _, d := range p.Plans {
			if !strings.Contains(string(text), d.String()) {
				t.Errorf("plan %s is approved by %q", d, text)
			}
		}
		var refusal *policy.Refusal
		err = p.JudgeGroup(federation.Charter{MinCohort: 1}, "h-b", []federation.HospitalID{"h-a"})
		if !errors.As(err, &refusal) {
			t.Errorf("a hospital that is in no charter counts: %v", err)
		}
	})
}

// FuzzParseIdentity: an identity key that is read can sign, whatever the PEM around it.
func FuzzParseIdentity(f *testing.F) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encodePEM(keyBlock, der))
	f.Add(encodePEM(keyBlock, der[:len(der)-1]))
	f.Add(encodePEM("EC PRIVATE KEY", der))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseIdentity("identity.key", text)
		if err != nil {
			if !errors.Is(err, ErrFile) || !strings.HasPrefix(err.Error(), "identity key identity.key: ") {
				t.Errorf("unnamed refusal: %v", err)
			}
			return
		}
		own := key.Public().(ed25519.PublicKey)
		if !ed25519.Verify(own, text, ed25519.Sign(key, text)) || ed25519.Verify(public, text, ed25519.Sign(key, text)) != own.Equal(public) {
			t.Error("the key does not sign for its public part")
		}
	})
}
