package client

import "slices"

// route chooses which of the configured addresses of a coordinator is asked next. No
// other address is ever asked, whatever a coordinator names.
type route struct {
	addresses []string
	at        int
	down      []bool // did not answer since the last success
	redirects int    // followed since then
	wait      bool   // the leader that was named does not answer: stay with who stands by
	probe     bool   // after such a wait, see whether it does again
}

func newRoute(addresses []string) route {
	return route{addresses: slices.Clone(addresses), down: make([]bool, len(addresses))}
}

func (r *route) address() string { return r.addresses[r.at] }

// well forgets what went wrong.
func (r *route) well() {
	clear(r.down)
	r.redirects, r.wait, r.probe = 0, false, false
}

// waited chooses after a wait with who stands by, which still does: the leader may be back.
func (r *route) waited() {
	clear(r.down)
	r.next()
	r.redirects, r.probe = 0, true
}

// failed chooses after a call that failed: who answered that it does not lead, and may
// have named the leader, or who did not answer. It reports whether the next attempt is one
// that a leader was named for, and need not wait as long as others.
func (r *route) failed(leader []string, redirected bool) (soon bool) {
	if !redirected {
		soon, r.probe = r.probe, false // back to who stands by
		r.down[r.at] = true
		r.next()
		return soon
	}
	r.probe = false
	named := slices.IndexFunc(r.addresses, func(a string) bool { return slices.Contains(leader, a) })
	switch {
	case named >= 0 && named != r.at && !r.down[named] && r.redirects < len(r.addresses):
		r.at, r.wait = named, false
		r.redirects++
		return true
	case !r.wait && named != r.at: // it does not answer, or is not ours to ask
		r.wait = true
		return true
	}
	clear(r.down)
	r.next()
	return false
}

func (r *route) next() { r.at, r.wait = (r.at+1)%len(r.addresses), false }
