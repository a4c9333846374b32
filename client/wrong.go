package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"atrium/coordinator/federation"
)

// Files of a state directory about a sum that came to nothing.
const (
	failedFile = "failed.json" // the last one, until its question is answered
	wrongFile  = "wrong.json"  // the word that what this hospital encrypted for it was wrong
)

// Failed is a round whose sum was opened and of which no group held, as this hospital derived
// itself or more than f custodians signed. Its question is asked again of the same hospitals, each
// of which encrypts what it encrypted before.
type Failed struct {
	V        int               `json:"v"` // 1
	Round    uint64            `json:"round"`
	Manifest federation.Digest `json:"manifest"`
	Question string            `json:"question"` // questionFolder
}

// Wrong is the word of people at this hospital about a round that failed.
type Wrong struct {
	Failed Failed `json:"failed"`
	By     string `json:"by"`
	At     string `json:"at"` // RFC 3339, UTC
}

// ErrNothingFailed: no sum failed that this hospital was asked for.
var ErrNothingFailed = errors.New("no sum failed here that would be asked for again")

// ReadFailed is the round that failed last in a state directory; [ErrNothingFailed].
func ReadFailed(state string) (Failed, error) {
	f, err := readJSON[Failed](filepath.Join(state, failedFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNothingFailed
	}
	return f, err
}

// Words say what it gives away to compute anew.
func (f Failed) Words() []string {
	return []string{
		fmt.Sprintf("Round %d came to nothing: its sum was opened, and no group of it held.", f.Round),
		"Its question is asked again of the same hospitals, and this one encrypts what it encrypted before.",
		"If that was wrong, it can compute anew from the records that it reads now, once.",
		"The research centre has the first sum: from the second it learns the difference of this hospital's two",
		"vectors, and where records were added or changed in between, theirs.",
	}
}

// SayWrong writes down, so that it survives a loss of power, that what this hospital encrypted for
// the round that failed last was wrong. The daemon may run: it computes anew when it is asked next.
func SayWrong(state string, f Failed, by string) error {
	return keepFile(state, wrongFile, append(federation.Encode(Wrong{f, by, federation.FormatTime(time.Now())}), '\n'))
}

// noteFailed keeps that a round failed, for people to judge.
func (d *Daemon) noteFailed(manifest federation.Digest) error {
	m, ok := d.state.Recall(manifest)
	if !ok || m.Submission.IsZero() || d.failed == manifest {
		return nil
	}
	f := Failed{V: 1, Round: m.Round, Manifest: manifest, Question: questionFolder(m.Questions)}
	if err := keepFile(d.cfg.State, failedFile, append(federation.Encode(f), '\n')); err != nil {
		return fatal{err}
	}
	d.cfg.Logger.Warn("a sum came to nothing; if what was computed here was wrong: atrium hospital recompute", "round", f.Round)
	d.failed = manifest
	return nil
}

// noFailure forgets a round that failed when its question is answered.
func (d *Daemon) noFailure(question string) error {
	f, err := ReadFailed(d.cfg.State)
	if err != nil || f.Question != question {
		return nil // it is only shown
	}
	if err := os.Remove(filepath.Join(d.cfg.State, failedFile)); err != nil {
		return fatal{err}
	}
	return nil
}

// calledWrong is the word of people here that what was encrypted for the question of a round was
// wrong, by its digest; zero where there is none. It counts once: what was computed after it is noted with it.
func (d *Daemon) calledWrong(h federation.Header) (federation.Digest, error) {
	w, err := readJSON[Wrong](filepath.Join(d.cfg.State, wrongFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && w.Failed.Question != questionFolder(h.Questions) {
		return federation.Digest{}, nil
	}
	if err != nil {
		return federation.Digest{}, err
	}
	return federation.Sum(federation.Encode(w)), nil
}

// letWrongGo lets go of integers that people here called wrong.
func (d *Daemon) letWrongGo(ctx context.Context, h federation.Header, k integers) error {
	d.cfg.Logger.Warn("computing anew, once, what was called wrong here", "round", h.Round)
	objects, err := d.store.List(ctx, k.folder)
	if err != nil {
		return fatal{err}
	}
	return d.deleteFolder(ctx, objects, k.folder)
}
