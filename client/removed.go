package client

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// removedFile of the state directory keeps a hospital that knows it from asking again.
const removedFile = "removed.json"

// removal is an error that ends a daemon's work for good: a charter that may follow the one in
// force here, and is in the log, does not name this hospital. It owes nothing any more: what
// a custodian had to say of its epoch is in that charter, or never will be.
type removal struct {
	Follows federation.Digest `json:"follows"` // the charter in force here
	Epoch   uint64            `json:"epoch"`   // of the one that does not name it
	Charter federation.Digest `json:"charter"`
}

func (r *removal) Error() string {
	return fmt.Sprintf("charter epoch %d (%s) does not name this hospital: it takes part in nothing more, and its daemon ends", r.Epoch, r.Charter)
}

// remove ends this hospital's part, on the word of the hospitals: of all that the next
// charter names, and of enough custodians of its own epoch.
func (d *Daemon) remove(w *atriumpb.Work, after federation.Charter, t federation.Transition) error {
	if _, err := federation.CheckTransition(t, federation.Added(t.Old, after)); err != nil {
		return err
	}
	checkpoint, err := d.seeUnder(w, after.LogKey)
	if err != nil {
		return err
	}
	if err := checkIncluded(w, checkpoint); err != nil {
		return fmt.Errorf("entry of charter %s: %w", after.Digest().Short(), err)
	}
	r := &removal{d.cfg.Charter.Digest(), after.Epoch, after.Digest()}
	if err := keepFile(d.cfg.State, removedFile, federation.Encode(r)); err != nil {
		return fatal{err}
	}
	return r
}

// removedBefore is what an earlier run found out, or nil.
func (d *Daemon) removedBefore() (*removal, error) {
	r, err := readJSON[removal](filepath.Join(d.cfg.State, removedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Follows != d.cfg.Charter.Digest() { // it was taken up again, under another charter
		return nil, nil
	}
	return &r, nil
}

// farewell says once a run that this hospital was removed, and what there is left to do here.
func (d *Daemon) farewell(why *removal) {
	d.cfg.Logger.Warn("removed", "federation", d.cfg.Charter.Federation, "reason", why.Error(), "next", "nothing is to be done: the state folder may be kept for audits")
	d.status.change(0, func(s *Status) {
		s.does(doingRemoved, 0)
		s.Removed, s.Connected, s.BytesSent = why.Error(), false, d.link.sent.Load()
	})
}
