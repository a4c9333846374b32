package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"atrium/coordinator/federation"
)

// ErrBusy: as many segments as there is memory for are under way; it is asked again a
// little later.
var ErrBusy = errors.New("as many segments as there is room for are under way")

// places bounds the segments that are held in memory from their first byte until they
// are stored. Whoever finds no room waits without having sent anything: that is the
// backpressure, and what it costs in memory does not grow with the number of hospitals.
// It is safe for concurrent use.
type places struct {
	free    chan struct{} // one token a place
	wait    time.Duration
	buffers sync.Pool

	mu   sync.Mutex
	held map[federation.HospitalID]int
}

func newPlaces(n int, wait time.Duration) *places {
	p := &places{free: make(chan struct{}, n), wait: wait, held: map[federation.HospitalID]int{}}
	for range n {
		p.free <- struct{}{}
	}
	return p
}

// Place is room for one segment.
type Place struct {
	Buffer []byte // empty, with the capacity asked for
	owner  *places
	from   federation.HospitalID
}

// Place returns room for a segment of a hospital, waiting a little for it; ErrBusy. The
// caller gives it back.
func (c *Coordinator) Place(ctx context.Context, from federation.HospitalID, size int) (*Place, error) {
	return c.places.take(ctx, from, size)
}

func (p *places) take(ctx context.Context, from federation.HospitalID, size int) (*Place, error) {
	busy := fmt.Errorf("segment of %s: %w", from, ErrBusy)
	if !p.claim(from) {
		return nil, busy
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case <-p.free:
	case <-timer.C:
		p.release(from)
		return nil, busy
	case <-ctx.Done():
		p.release(from)
		return nil, ctx.Err()
	}
	place := &Place{owner: p, from: from}
	if b, ok := p.buffers.Get().(*[]byte); ok && cap(*b) >= size {
		place.Buffer = (*b)[:0]
	} else {
		place.Buffer = make([]byte, 0, size)
	}
	return place, nil
}

// claim counts one more segment of a hospital, unless it has its share: no hospital
// takes the places of all.
func (p *places) claim(from federation.HospitalID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[from] >= maxOwnPlaces {
		return false
	}
	p.held[from]++
	return true
}

func (p *places) release(from federation.HospitalID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[from]--; p.held[from] == 0 {
		delete(p.held, from)
	}
}

// Release gives the place back; reuse says that nobody writes to its Buffer any more.
func (p *Place) Release(reuse bool) {
	if reuse {
		p.owner.buffers.Put(&p.Buffer)
	}
	p.owner.release(p.from)
	p.owner.free <- struct{}{}
}
