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

	round.Memo
	Plan                federation.Plan
	Header              []byte // of the round under way, canonical bytes
	HeaderCheckpoint    []byte // the checkpoint that the header names
	CandidateCheckpoint []byte // of the log up to the entry that names the candidate
	OutcomeCheckpoint   []byte // of the log up to the entry that says what followed from the candidate opened last
	Checkpoint          []byte // published last, a signed note
	Head                federation.TreeHead
	ended               *ended // the last round that published, since this coordinator follows the log

	changed chan struct{} // closed when a newer View is there
}

// ended is a round that published, as it stood before, and the entry.
type ended struct {
	round round.Round
	entry round.Entry
}

// follow applies one entry of the log and keeps what goes with it.
func (v View) follow(e round.Entry) (View, error) {
	if e.Kind == round.Publish {
		v.ended = &ended{v.State.Round, e}
	}
	memo, err := v.Memo.Apply(e)
	v.Memo = memo
	return v, err
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
