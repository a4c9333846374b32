package audit

import (
	"errors"
	"fmt"
	"strings"

	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Sentinels of what is wrong with an object that is intact.
var (
	// ErrPin: the store is of another federation, or charter, than the one pinned.
	ErrPin = errors.New("not what is pinned")
	// ErrContent: an object contradicts the log or another object.
	ErrContent = errors.New("does not follow from the log")
	// ErrDiffers: what was published is not what the ciphertexts and the rule give.
	ErrDiffers = errors.New("differs from what is re-derived")
)

// Problem is the first object of a store that is wrong.
type Problem struct {
	Object string // its name in the bucket
	What   string // what it is, in words; may be empty
	Err    error
}

// Error names the object, what it is, and what is wrong with it.
func (p *Problem) Error() string {
	reason := strings.TrimPrefix(p.Err.Error(), p.Object+": ")
	if p.What == "" {
		return p.Object + ": " + reason
	}
	return p.Object + ": " + p.What + ": " + reason
}

// Unwrap returns the reason.
func (p *Problem) Unwrap() error { return p.Err }

func wrong(object, what string, err error) error {
	return &Problem{Object: object, What: what, Err: err}
}

// contrary is a Problem of an intact object with the wrong content.
func contrary(object, what, format string, args ...any) error {
	return wrong(object, what, fmt.Errorf("%w: %s", ErrContent, fmt.Sprintf(format, args...)))
}

// unread tells an object that is wrong from one that could not be read.
func unread(object, what string, err error) error {
	for _, s := range []error{storage.ErrNotFound, storage.ErrDigest, storage.ErrTooLarge, storage.ErrRange} {
		if errors.Is(err, s) {
			return wrong(object, what, err)
		}
	}
	return fmt.Errorf("read %s: %w", object, err)
}

// logFault is unread for what roundlog returns about an object.
func logFault(object string, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, s := range []error{roundlog.ErrEncoding, roundlog.ErrEntry, roundlog.ErrSignature, roundlog.ErrBatch,
		roundlog.ErrEpoch, roundlog.ErrHole, roundlog.ErrTile, roundlog.ErrBehind, roundlog.ErrFork, roundlog.ErrNoLog, roundlog.ErrKey,
		federation.ErrCharter, federation.ErrTransition, federation.ErrNotCanonical, envelope.ErrSignature, envelope.ErrSigner} {
		if errors.Is(err, s) {
			return wrong(object, "", err)
		}
	}
	return unread(object, "", err)
}

// objectOf is the object that an error of storage or roundlog begins with.
func objectOf(err error) string {
	name, _, _ := strings.Cut(err.Error(), ": ")
	return name
}
