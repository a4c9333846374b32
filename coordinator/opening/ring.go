package opening

import (
	"fmt"
	"sync"

	"atrium/coordinator/federation"
	"atrium/privacy/he"
)

// rings keeps parameters that were derived before: a plan has one ring a round kind,
// and deriving one searches for primes and builds tables.
var rings = struct {
	sync.Mutex
	known map[ringKey]ring
}{known: map[ringKey]ring{}}

type ringKey struct{ count, group, bits int }

type ring struct {
	literal    he.Literal
	parameters *he.Parameters
}

const maxRings = 32

// Ring returns the ring that follows from a vector's length, the largest group of the
// charter and the bits of a value.
func Ring(count, group, bits int) (federation.Ring, error) {
	r, err := chosen(count, group, bits)
	return federation.Ring(r.literal), err
}

func chosen(count, group, bits int) (ring, error) {
	rings.Lock()
	defer rings.Unlock()
	key := ringKey{count, group, bits}
	if r, ok := rings.known[key]; ok {
		return r, nil
	}
	literal, err := he.Choose(count, group, bits)
	if err != nil {
		return ring{}, fmt.Errorf("choose ring: %w", err)
	}
	parameters, err := literal.Parameters()
	if err != nil {
		return ring{}, fmt.Errorf("choose ring: %w", err)
	}
	if len(rings.known) >= maxRings {
		clear(rings.known)
	}
	rings.known[key] = ring{literal, parameters}
	return rings.known[key], nil
}

// Parameters returns the encryption parameters of a header's ring, and refuses a ring
// other than the one that Ring gives: nobody may be asked to use another.
func Parameters(r federation.Ring) (*he.Parameters, error) {
	want, err := chosen(r.Count, r.GroupSize, r.Bits)
	if err != nil {
		return nil, err
	}
	if string(federation.Encode(r)) != string(federation.Encode(federation.Ring(want.literal))) {
		return nil, fmt.Errorf("ring of %d fields, %d bits, %d hospitals is not the one that follows from them: %w",
			r.Count, r.Bits, r.GroupSize, federation.ErrHeader)
	}
	return want.parameters, nil
}

// CheckRing reports whether Parameters accepts a header's ring.
func CheckRing(r federation.Ring) error {
	_, err := Parameters(r)
	return err
}
