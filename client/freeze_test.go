package client

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
)

// TestFreezeWantsProof: only a Join that this journal does not know freezes a hospital,
// not one that it signed itself in a run before, which everyone has seen.
func TestFreezeWantsProof(t *testing.T) {
	charter, key := threeHospitals(t)
	cfg := Config{Charter: charter, Identity: key}
	self := cfg.self()
	join := func(counter uint64, header byte) []byte {
		return federation.Encode(envelope.SignMessage(key, "test", federation.Join{V: 1, Header: federation.Digest{header}, Hospital: self, Counter: counter}))
	}
	refusal := func(proof []byte) error {
		st, err := status.New(codes.DataLoss, "older than what it signed").WithDetails(&atriumpb.Message{Signed: proof})
		if err != nil {
			t.Fatal(err)
		}
		return st.Err()
	}
	forged := join(9, 1)
	forged[len(forged)-10] ^= 1
	for _, c := range []struct {
		name   string
		live   []byte
		proof  []byte
		frozen bool
	}{
		{"own join of a run before", nil, join(5, 1), false},
		{"own join of this run", join(5, 1), join(5, 1), false},
		{"older join", join(5, 1), join(4, 1), false},
		{"later join", nil, join(6, 1), true},
		{"another join of the same number, by a clone", join(5, 1), join(5, 2), true},
		{"forged join", nil, forged, false},
	} {
		dir := t.TempDir()
		l := &link{}
		d := &Daemon{cfg: cfg, self: self, link: l, status: newDisplay(dir, func(err error) { t.Error(err) }), state: participant.State{Self: self, Charter: charter, Counter: 5}, live: live{join: c.live}}
		d.cfg.State = dir
		if err := d.freeze(refusal(c.proof)); errors.Is(err, ErrFrozen) != c.frozen {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := d.freeze(errors.New("something else")); err != nil {
			t.Errorf("%s: an error without proof: %v", c.name, err)
		}
	}
}

// threeHospitals is the charter of a federation "test", and the identity key of the first.
func threeHospitals(t *testing.T) (federation.Charter, ed25519.PrivateKey) {
	t.Helper()
	var members []federation.Member
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	for i := range 3 {
		k := ed25519.NewKeyFromSeed(append(make([]byte, 31), byte(i)))
		public := k.Public().(ed25519.PublicKey)
		members = append(members, federation.Member{ID: federation.NewHospitalID("test", public), IdentityKey: public, TLSKey: federation.Digest{byte(i + 1)}})
	}
	charter, err := federation.NewCharter("test", "log", members, false)
	if err != nil {
		t.Fatal(err)
	}
	return charter, key
}
