package coordinator

import (
	"sync"
	"time"

	"atrium/coordinator/federation"
)

// Presence knows which hospitals hold a connection. The transport reports; the loop
// asks who has been gone for longer than the plan's grace. It is safe for concurrent use.
type Presence struct {
	mu      sync.Mutex
	now     func() time.Time
	started time.Time
	open    map[federation.HospitalID]int
	left    map[federation.HospitalID]time.Time
	changed chan struct{}
}

func newPresence(now func() time.Time) *Presence {
	return &Presence{now: now, started: now(), open: map[federation.HospitalID]int{},
		left: map[federation.HospitalID]time.Time{}, changed: make(chan struct{}, 1)}
}

// restart counts the grace of those who are not connected from now on: they were with
// another coordinator.
func (p *Presence) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = p.now()
	clear(p.left)
}

// Connected notes one more connection of a hospital.
func (p *Presence) Connected(id federation.HospitalID) { p.move(id, 1) }

// Disconnected notes one connection less.
func (p *Presence) Disconnected(id federation.HospitalID) { p.move(id, -1) }

func (p *Presence) move(id federation.HospitalID, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[id] += by
	if p.open[id] == 0 {
		p.left[id] = p.now()
	}
	select {
	case p.changed <- struct{}{}:
	default: // a notice is waiting already
	}
}

// Gone lists the members without a connection for at least grace, and the next moment
// at which one more will be; zero if none.
func (p *Presence) Gone(members []federation.Member, grace time.Duration) (gone []federation.HospitalID, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for _, m := range members {
		if p.open[m.ID] > 0 {
			continue
		}
		left, ok := p.left[m.ID]
		if !ok {
			left = p.started
		}
		at := left.Add(grace)
		if !now.Before(at) {
			gone = append(gone, m.ID)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return gone, next
}

// Present reports whether a hospital holds a connection.
func (p *Presence) Present(id federation.HospitalID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id] > 0
}
