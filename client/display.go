package client

import (
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/connectivity"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// What a daemon does while it does no task.
const (
	doingWaits   = "waiting for work"
	doingAway    = "waiting for the coordinator"
	doingCharter = "waiting for the next charter, which was approved here, to be installed"
	doingRemoved = "removed"
	doingFrozen  = "frozen"
)

// display is the status file, which `atrium hospital status` reads and on which nothing
// depends. It is written at most so often as a change allows, and the last change is never
// lost: what came too soon is written later. Safe for concurrent use.
type display struct {
	mu      sync.Mutex
	dir     string
	failed  func(error)
	shows   Status
	written time.Time
	timer   *time.Timer // runs while something is to be written
	due     time.Time   // of it
	closed  bool
}

func newDisplay(dir string, failed func(error)) *display { return &display{dir: dir, failed: failed} }

// get returns what is shown.
func (d *display) get() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shows
}

// change alters what is shown. It is written now, unless something was written less than
// every ago.
func (d *display) change(every time.Duration, with func(*Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	with(&d.shows)
	due := d.written.Add(every)
	wait := time.Until(due)
	switch {
	case d.closed:
	case wait <= 0:
		d.write()
	case d.timer == nil || due.Before(d.due):
		d.stop()
		d.due = due
		d.timer = time.AfterFunc(wait, d.late)
	}
}

func (d *display) late() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.write()
	}
}

func (d *display) write() {
	d.stop()
	d.written = time.Now()
	if err := writeJSON(filepath.Join(d.dir, StatusFile), d.shows); err != nil {
		d.failed(err)
	}
}

func (d *display) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = nil
}

// close writes what is still to be written, with a connection that is gone.
func (d *display) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	pending := d.timer != nil || d.shows.Connected
	d.shows.Connected = false
	if pending {
		d.write()
	}
	d.closed = true
}

// heard is a word from the coordinator.
func (s *Status) heard() { s.Connected, s.Heard = true, federation.FormatTime(time.Now()) }

// connection shows that a connection is there, or that it no longer is.
func (d *display) connection(state connectivity.State) {
	d.change(noteEvery, func(s *Status) {
		switch {
		case state == connectivity.Ready:
			s.heard()
			if s.Doing == "" || s.Doing == doingAway {
				s.does(doingWaits, 0)
			}
		case s.Connected:
			s.Connected = false
		}
	})
}

// does shows another task, or goes on with this one.
func (s *Status) does(what string, round uint64) {
	if s.Doing != what || s.Round != round || s.Since == "" {
		s.Doing, s.Round, s.Since = what, round, federation.FormatTime(time.Now())
	}
	s.LastError = ""
}

// working shows a task.
func (d *Daemon) working(w *atriumpb.Work) {
	d.status.change(noteEvery, func(s *Status) {
		s.heard()
		s.does(w.GetKind(), w.GetRound())
		s.BytesSent = d.link.sent.Load()
	})
}

// waiting shows that there is nothing to do. That the coordinator was heard of is written
// less often.
func (d *Daemon) waiting() {
	every := heardEvery
	if s := d.status.get(); s.Doing != doingWaits || s.LastError != "" || !s.Connected {
		every = noteEvery
	}
	d.status.change(every, func(s *Status) {
		s.heard()
		s.does(doingWaits, 0)
		s.BytesSent = d.link.sent.Load()
	})
}

// trouble shows what went wrong, at once.
func (d *Daemon) trouble(doing string, round uint64, err error) {
	d.status.change(0, func(s *Status) {
		s.does(doing, round)
		s.LastError, s.BytesSent = sentence(err), d.link.sent.Load()
	})
}

// follows shows the charter in force here.
func (s *Status) follows(c federation.Charter) { s.Charter, s.Epoch = c.Digest().String(), c.Epoch }
