package coordinator_test

import (
	"errors"
	"testing"

	"atrium/coordinator"
	"atrium/coordinator/federation"
)

// TestRemovedHospital: a hospital that the charter in force removed may fetch what shows that,
// and is given no other work, whatever charter it says that it follows.
func TestRemovedHospital(t *testing.T) {
	p := newPassage(t)
	gone := p.before.Members[3]
	var err error
	p.terms, err = p.before.Next(federation.Change{Remove: []federation.HospitalID{gone.ID}})
	p.must(err)
	a := p.assembled(3)
	_, err = coordinator.Install(t.Context(), p.config(p.old, p.before), a)
	p.must(err)
	c, err := coordinator.Open(t.Context(), p.config(p.old, a.Charter))
	p.must(err)
	if list := c.Removed(); len(list) != 1 || list[0].ID != gone.ID || list[0].TLSKey != gone.TLSKey {
		t.Errorf("removed: %+v", list)
	}
	v := c.View()
	for what, charter := range map[string]federation.Digest{"none": {}, "the one in force": a.Charter.Digest(), "one of another federation": federation.Sum(nil)} {
		if w, ok, err := c.FarewellFor(t.Context(), v, gone.ID, coordinator.Poll{Charter: charter}); !errors.Is(err, coordinator.ErrRemoved) || ok {
			t.Errorf("charter %s: task %s, %v", what, w.Kind, err)
		}
	}
	for what, x := range map[string]struct {
		digest federation.Digest
		shown  bool
	}{
		"charter":           {a.Charter.Digest(), true},
		"countersignatures": {federation.Sum(federation.Encode(a.Countersignatures)), true},
		"closing statement": {a.Charter.Closings[2], true},
		"plan":              {v.State.Plan, false},
		"nothing":           {federation.Digest{}, false},
	} {
		if got := c.Shows(x.digest); got != x.shown {
			t.Errorf("%s is shown: %v", what, got)
		}
	}
	if first, _ := coordinator.Open(t.Context(), p.config(p.old, p.before)); first != nil {
		t.Error("the charter before is still led")
	}
}
