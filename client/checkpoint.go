package client

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"atrium/storage/roundlog"
)

// CheckpointFile is, below Config.State, the largest checkpoint that this hospital
// verified, cosigned by it: what it hands to an auditor, to whom it says how much of the
// log must be there.
const CheckpointFile = "checkpoint"

// ErrNoCheckpoint: a daemon keeps its first one when it joins its first round.
var ErrNoCheckpoint = errors.New("no checkpoint is kept yet: the daemon keeps one when it joins a round")

// keepCheckpoint keeps the largest checkpoint as it was signed: to a coordinator that works
// on an older copy of its log it is the proof. Nothing here depends on it. That it is the
// largest one and consistent with all before is what a cosignature states.
func (d *Daemon) keepCheckpoint(note []byte) {
	if bytes.Equal(note, d.checkpoint) {
		return
	}
	d.checkpoint = bytes.Clone(note)
	line, err := roundlog.Cosign(note, string(d.self), d.cfg.Identity, time.Now())
	if err == nil {
		err = writeFile(filepath.Join(d.cfg.State, CheckpointFile), append(bytes.Clone(note), line...))
	}
	if err != nil {
		d.cfg.Logger.Warn("checkpoint", "error", err)
	}
}

// loadCheckpoint reads what the run before kept.
func (d *Daemon) loadCheckpoint() {
	if k, err := ReadCheckpoint(d.cfg.State); err == nil {
		d.checkpoint = k.Note
	}
}

// ReadCheckpoint reads the checkpoint that a state directory keeps and verifies nothing.
// Errors: [ErrNoCheckpoint], roundlog.ErrEncoding.
func ReadCheckpoint(state string) (roundlog.Kept, error) {
	path := filepath.Join(state, CheckpointFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return roundlog.Kept{}, fmt.Errorf("%s: %w", path, ErrNoCheckpoint)
	}
	if err != nil {
		return roundlog.Kept{}, err
	}
	k, err := roundlog.ParseKept(data)
	if err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}
