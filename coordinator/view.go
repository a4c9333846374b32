package coordinator

import (
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// View is the federation as it stood after a commit. It never changes.
type View struct {
	Leads  bool     // whether this coordinator does; else it takes no request
	Led    bool     // whether another is known to
	Leader []string // its addresses, as far as it says them

	State      round.State
	Plan       federation.Plan
	Header     []byte // of the round under way, canonical bytes
	Checkpoint []byte // published last, a signed note
	Head       federation.TreeHead

	HeaderCheckpoint []byte // the checkpoint that the header names
	SelectEntry      []byte // the entry that names S, once it is committed
	SelectIndex      int64
	CharterEntry     []byte // that began the epoch; nil in the first
	CharterIndex     int64
	PublishEntry     round.Entry // of the newest version
	PublishIndex     int64
	Asked            map[federation.Digest]Asked // by manifest: what may be answered, also late

	changed chan struct{} // closed when a newer View is there
}

// Asked is what custodians may answer under one manifest.
type Asked struct {
	Header     federation.Digest
	Submitters federation.Digest // S
	Index      int64             // of the entry that names S
	Kept       []bool            // by group: whether it is summed
}

// follow applies one entry of the log and keeps what goes with it.
func (v View) follow(e round.Entry, index int64) (View, error) {
	state, err := round.Apply(v.State, e)
	if err != nil {
		return v, err
	}
	v.State = state
	if e.Kind == round.Select {
		v.SelectEntry, v.SelectIndex = e.Encode(), index
		v = v.ask(e, index)
	}
	if e.Kind == round.CharterSet {
		v.CharterEntry, v.CharterIndex = e.Encode(), index
		v.SelectEntry, v.SelectIndex, v.Asked = nil, 0, nil
	}
	if e.Kind == round.Publish && e.Version > 0 {
		v.PublishEntry, v.PublishIndex = e, index
	}
	return v, nil
}

// ask returns the View with one more S to answer, and without those that no attempt is
// known of any more.
func (v View) ask(e round.Entry, index int64) View {
	r := v.State.Round
	asked := Asked{Header: r.Header, Submitters: e.Blob, Index: index}
	for _, group := range r.S {
		asked.Kept = append(asked.Kept, len(group) > 0)
	}
	known := map[federation.Digest]Asked{r.Manifest: asked}
	for _, a := range v.State.Attempts {
		if old, ok := v.Asked[a.Manifest]; ok {
			known[a.Manifest] = old
		}
	}
	v.Asked = known
	return v
}

// Changed is closed when the View is out of date.
func (v *View) Changed() <-chan struct{} { return v.changed }

// View returns the latest committed state.
func (c *Coordinator) View() *View { return c.view.Load() }

// publish makes a new View visible and wakes everyone who waits for one. Only Run's
// goroutine calls it.
func (c *Coordinator) publish(v View) {
	v.changed = make(chan struct{})
	old := c.view.Swap(&v)
	if old != nil {
		close(old.changed)
	}
}
