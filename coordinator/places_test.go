package coordinator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"atrium/coordinator/federation"
)

func TestPlacesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2, time.Second)
		take := func(from federation.HospitalID) *Place {
			t.Helper()
			place, err := p.take(t.Context(), from, 10)
			if err != nil || cap(place.Buffer) < 10 || len(place.Buffer) != 0 {
				t.Fatalf("place for %s: %v", from, err)
			}
			return place
		}
		a, b := take("a"), take("b")
		start := time.Now()
		if _, err := p.take(t.Context(), "c", 10); !errors.Is(err, ErrBusy) || time.Since(start) != time.Second {
			t.Errorf("a third place after %v: %v", time.Since(start), err)
		}
		time.AfterFunc(500*time.Millisecond, func() { a.Release(true) })
		c := take("c") // waits for it
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.take(ctx, "d", 10); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		b.Release(false)
		c.Release(true)
		if len(p.held) != 0 || len(p.free) != 2 {
			t.Errorf("all are back: %v held, %d free", p.held, len(p.free))
		}
	})
}

func TestNoHospitalTakesAllPlaces(t *testing.T) {
	p := newPlaces(maxOwnPlaces+1, time.Hour)
	for range maxOwnPlaces {
		if _, err := p.take(t.Context(), "a", 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.take(t.Context(), "a", 10); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	if _, err := p.take(t.Context(), "b", 10); err != nil {
		t.Errorf("another hospital: %v", err)
	}
}
