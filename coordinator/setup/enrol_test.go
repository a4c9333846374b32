package setup

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// A hospital that joins later has what the first ones have, under the same authority.
func TestEnrol(t *testing.T) {
	o := options(t)
	r := made(t, o)
	o = Options{Authority: o.Dir, Dir: filepath.Join(o.Dir, "hospitals"), Plan: plans.Cardiology()}
	m, err := Enrol(o, r.Charter, "e")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(o.Dir, "e")
	identity, err := LoadIdentity(filepath.Join(dir, "identity.key"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "e" || m.ID != federation.NewHospitalID(r.Charter.Federation, m.IdentityKey) || !bytes.Equal(m.IdentityKey, identity.Public().(ed25519.PublicKey)) {
		t.Errorf("member %+v", m)
	}
	if _, err := LoadKeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		t.Error(err)
	}
	if next, err := r.Charter.Next(federation.Change{Add: []federation.Member{m}}); err != nil || len(next.Members) != 5 {
		t.Errorf("the next charter: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		name   string
		want   error
	}{
		"a name that is taken": {func(*Options) {}, "a", ErrOptions},
		"a name that is none":  {func(*Options) {}, "E!", ErrOptions},
		"no address":           {func(o *Options) { o.Address = "somewhere" }, "f", ErrOptions},
		"no authority there":   {func(o *Options) { o.Authority = t.TempDir() }, "f", os.ErrNotExist},
		"a folder that exists": {func(*Options) {}, "e", os.ErrExist},
	} {
		bad := o
		c.change(&bad)
		if _, err := Enrol(bad, r.Charter, c.name); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
