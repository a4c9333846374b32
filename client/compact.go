package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"atrium/client/participant"
)

// grown reports whether most of the journal is what participant.Compact leaves out, or may
// be: compacting then costs less, over the years, than the journal that it saves.
func (j *journal) grown() bool { return j.size > 2*j.base+compactAfter }

// compact puts a journal that begins with what state remembers in the place of this one.
// Whatever crashes, one of the two is there, and both say the same. The new one is read
// back before it is named, and locked before anyone else can find it. replaced says that
// the old one is gone from its name: then an error is one of durability.
func (j *journal) compact(state participant.State) (replaced bool, err error) {
	lines, err := encodeLines(participant.Compact(state))
	if err != nil {
		return false, err
	}
	j.base = j.size // whatever happens, not again at once
	path := j.path + ".new"
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return false, err
	}
	next := &journal{file: file, path: path, write: j.write, size: int64(len(lines)), base: int64(len(lines))}
	if err := next.fill(lines, state); err != nil {
		return false, errors.Join(fmt.Errorf("compact %s: %w", j.path, err), file.Close(), os.Remove(path))
	}
	if err := os.Rename(path, j.path); err != nil {
		return false, errors.Join(err, file.Close())
	}
	next.path = j.path
	old := j.file
	*j = *next
	return true, errors.Join(syncDir(filepath.Dir(j.path)), old.Close())
}

// fill locks the file, writes it, and reads back that it says what state remembers.
func (j *journal) fill(lines []byte, state participant.State) error {
	if err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return ErrLocked
	}
	if err := j.write(j.file, lines); err != nil {
		return err
	}
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again, end, err := j.replay(participant.State{Self: state.Self, Charter: state.Charter})
	if err != nil {
		return err
	}
	if end != j.size || !again.Remembers(state) {
		return fmt.Errorf("%w: it does not say the same", ErrJournal)
	}
	_, err = j.file.Seek(end, io.SeekStart)
	return err
}

// compactJournal compacts a journal that has grown. That it cannot is no reason to stop.
func (d *Daemon) compactJournal() error {
	if !d.journal.grown() {
		return nil
	}
	before := d.journal.size
	replaced, err := d.journal.compact(d.state)
	switch {
	case err == nil:
		d.cfg.Logger.Info("journal compacted", "bytes", d.journal.size, "before", before)
	case !replaced:
		d.cfg.Logger.Warn("journal cannot be compacted and goes on growing", "error", err)
		return nil
	}
	return err
}
