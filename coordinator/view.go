package coordinator

import (
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// View is the federation as it stood after a commit. It never changes.
type View struct {
	State      round.State
	Plan       federation.Plan
	Header     []byte // of the round under way, canonical bytes
	Checkpoint []byte // published last, a signed note
	Head       federation.TreeHead

	HeaderCheckpoint []byte // the checkpoint that the header names
	SelectEntry      []byte // the entry that names S, once it is committed
	SelectIndex      int64
	PublishEntry     round.Entry // of the newest version
	PublishIndex     int64

	changed chan struct{} // closed when a newer View is there
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
