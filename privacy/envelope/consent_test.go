package envelope

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

// change is what an epoch ends with: five hospitals (m = 5, t = 4, f = 1), of which three
// must close, the last two leave, and the first two answered one question for all five.
type change struct {
	before, terms federation.Charter
	keys          map[federation.HospitalID]ed25519.PrivateKey
	consents      []federation.Consent
	answered      federation.Answered
}

func newChange(t testing.TB) *change {
	t.Helper()
	c := &change{keys: map[federation.HospitalID]ed25519.PrivateKey{}}
	var members []federation.Member
	for i := range 5 {
		key, pub := signer(byte(i + 1))
		id := federation.NewHospitalID("cardiology", pub)
		c.keys[id] = key
		members = append(members, federation.Member{ID: id, IdentityKey: pub, TLSKey: federation.Sum([]byte{byte(i)})})
	}
	var err error
	if c.before, err = federation.NewCharter("cardiology", "log+1+a", members, false); err != nil {
		t.Fatal(err)
	}
	ids := c.before.Groups[0]
	set := [][]federation.HospitalID{ids}
	c.answered = federation.Answered{Manifest: federation.Sum([]byte("M")), Candidate: federation.Sum([]byte("C")), Questions: []string{"train/q"}, Set: federation.SetDigest(set)}
	c.terms, err = c.before.Next(federation.Change{Remove: ids[4:], LogKey: "log+2+b"})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids[:4] {
		c.consents = append(c.consents, c.consent(id, i < 2))
	}
	return c
}

// consent is what a hospital hands over.
func (c *change) consent(id federation.HospitalID, answered bool) federation.Consent {
	out := federation.Consent{V: 1, Terms: c.terms.Digest(), Signature: CountersignTerms(c.keys[id], c.terms, id)}
	statement := closing(c.before, id)
	if answered {
		statement.Answered = append(statement.Answered, c.answered)
	}
	signed := SignClosing(c.keys[id], c.before.Federation, statement)
	out.Closing = &signed
	return out
}

func TestAssemble(t *testing.T) {
	c := newChange(t)
	a, err := Assemble(c.before, c.terms, c.consents)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Inherited) != 1 || federation.CompareAnswered(a.Inherited[0], c.answered) != 0 {
		t.Errorf("inherited %v, want %v", a.Inherited, c.answered)
	}
	if a.Charter.Terms().Digest() != c.terms.Digest() || len(a.Charter.Closings) != 4 || len(a.Statements) != 4 {
		t.Errorf("charter %+v with %d statements", a.Charter, len(a.Statements))
	}
	shuffled := slices.Clone(c.consents)
	slices.Reverse(shuffled)
	if b, err := Assemble(c.before, c.terms, shuffled); err != nil || b.Charter.Digest() != a.Charter.Digest() {
		t.Errorf("in another order the charter is another: %v", err)
	}
	gone := c.consent(c.before.Custodians[4], false) // leaves, but closed the epoch before
	if b, err := Assemble(c.before, c.terms, append(shuffled, gone)); err != nil || len(b.Charter.Closings) != 5 {
		t.Errorf("with the statement of one who leaves: %v", err)
	}
}

func TestAssembleRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*change)
		want   string
	}{
		"a hospital missing":       {func(c *change) { c.consents = c.consents[:3] }, "consent refused: that of "},
		"two statements of three":  {func(c *change) { c.consents[0].Closing, c.consents[1].Closing = nil, nil }, "2 custodians closed epoch 1: 3 must"},
		"consent to other terms":   {func(c *change) { c.consents[1].Terms = federation.Sum(nil) }, "it is to the terms"},
		"terms changed afterwards": {func(c *change) { c.terms.Retention.Rounds = 4 }, "it is to the terms"},
		"signed by another":        {func(c *change) { c.consents[1].Signature.Signature = c.consents[0].Signature.Signature }, "signature does not verify"},
		"a stranger":               {func(c *change) { c.consents[1].Signature.Signer = "h-aaaaaaaaaaaaaaaa" }, "signer is not who"},
		"another's statement":      {func(c *change) { c.consents[1].Closing = c.consents[0].Closing }, "closing statement of "},
		"a statement of another epoch": {func(c *change) {
			id := c.before.Custodians[1]
			signed := SignClosing(c.keys[id], "cardiology", federation.Closing{V: 1, Charter: federation.Sum(nil), Custodian: id, Answered: []federation.Answered{}})
			c.consents[1].Closing = &signed
		}, "it closes charter"},
		"a statement of another federation": {func(c *change) {
			id := c.before.Custodians[1]
			signed := SignClosing(c.keys[id], "oncology", federation.Closing{V: 1, Charter: c.before.Digest(), Custodian: id, Answered: []federation.Answered{}})
			c.consents[1].Closing = &signed
		}, "signature does not verify"},
		"another line": {func(c *change) {
			c.terms.Previous = federation.Sum(nil)
			for i, id := range c.before.Groups[0][:4] {
				c.consents[i] = c.consent(id, i < 2)
			}
		}, "it follows charter"},
		"another log": {func(c *change) {
			c.terms.LogKey = "lung+2+b"
			for i, id := range c.before.Groups[0][:4] {
				c.consents[i] = c.consent(id, i < 2)
			}
		}, `log "lung" after log "log"`},
	} {
		c := newChange(t)
		tc.change(c)
		if _, err := Assemble(c.before, c.terms, c.consents); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// TestRandomCoordinator: a coordinator that has the consents of two federations, of two
// epochs and of two proposals mixes, drops and repeats them at random. Whatever it gets
// accepted is signed by every member, and closed by three custodians who said what they
// answered in this epoch.
func TestRandomCoordinator(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 400 {
		c := newMixed(t, rng)
		a, err := Assemble(c.before, c.terms, c.consents)
		if err != nil {
			continue
		}
		accepted++
		for _, m := range a.Charter.Members {
			i := slices.IndexFunc(a.Countersignatures.Signatures, func(s federation.Countersignature) bool { return s.Signer == m.ID })
			if i < 0 || !ed25519.Verify(m.IdentityKey, signingInput(Charter, "cardiology", m.ID, federation.Encode(c.terms)), a.Countersignatures.Signatures[i].Signature) {
				t.Fatalf("%s did not sign these terms", m.ID)
			}
		}
		if len(a.Charter.Closings) < 3 || a.Charter.Previous != c.before.Digest() || a.Charter.Epoch != 2 {
			t.Fatalf("accepted: %+v", a.Charter)
		}
		if bound := len(a.Inherited) > 0; bound != c.mustBind(a.Charter) {
			t.Fatalf("the question is bound: %v, with statements of %d", bound, len(a.Charter.Closings))
		}
	}
	if accepted < 20 || accepted > 380 {
		t.Errorf("%d of 400 mixtures are accepted: the test says little", accepted)
	}
}

// mustBind: somebody listed the answer, and fewer than three closed without it.
func (c *change) mustBind(after federation.Charter) bool {
	without := len(after.Closings)
	for _, consent := range c.consents {
		if consent.Closing == nil || !slices.Contains(after.Closings, consent.Closing.Digest()) {
			continue
		}
		if closing, err := federation.DecodeClosing(consent.Closing.Body); err == nil && len(closing.Answered) > 0 {
			without--
		}
	}
	return without < len(after.Closings) && without < 3
}

var mixed struct{ here, elsewhere, later *change }

func newMixed(t *testing.T, rng *rand.Rand) *change {
	if mixed.here == nil {
		mixed.here, mixed.elsewhere, mixed.later = newChange(t), newChange(t), newChange(t)
		mixed.elsewhere.before.Federation = "oncology"
		mixed.later.terms.Retention.Rounds = 4
		for _, m := range []*change{mixed.elsewhere, mixed.later} {
			for i, id := range m.before.Groups[0][:4] {
				m.consents[i] = m.consent(id, i < 2)
			}
		}
	}
	out := *mixed.here
	out.consents = slices.Clone(out.consents)
	for i := range out.consents {
		from := []*change{mixed.elsewhere, mixed.later, mixed.here}[rng.IntN(3)]
		switch rng.IntN(24) {
		case 0:
			out.consents[i].Closing = nil
		case 2:
			out.consents[i].Closing = from.consents[i].Closing
		case 3:
			out.consents[i].Signature = from.consents[i].Signature
		case 4:
			out.consents[i] = from.consents[rng.IntN(4)]
		}
	}
	return &out
}

func FuzzOpenConsent(f *testing.F) {
	c := newChange(f)
	f.Add(federation.Encode(c.consents[0]))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		consent, err := federation.DecodeConsent(b)
		if err != nil {
			return
		}
		if again := federation.Encode(consent); string(again) != string(b) {
			t.Errorf("%s re-encodes to %s", b, again)
		}
		if err := CheckConsent(c.before, c.terms, consent); err != nil && !errors.Is(err, ErrConsent) {
			t.Errorf("unnamed refusal: %v", err)
		}
	})
}
