package roundlog

import (
	"context"
)

// Settle puts the batch whose outcome is in doubt into the same slot again, the same
// bytes: nil when it is in the log, or none was in doubt; [ErrSlotTaken] when another's
// is there; [ErrInDoubt] when that is still unknown.
func (l *Log) Settle(ctx context.Context) error {
	if l.doubt == nil {
		return nil
	}
	return l.commit(ctx, *l.doubt)
}

// Follow takes up the checkpoint that others published meanwhile, and lets go of the
// entries that it covers. Errors as of [Log.CheckHead], but it looks at no batch.
func (l *Log) Follow(ctx context.Context) error { return l.follow(ctx) }

// CheckHead reports why nobody should write on this Log: [ErrBehind] when the published
// checkpoint is beyond it, [ErrFork] when its root is another or it has shrunk, [ErrHole]
// when a batch not far beyond the next one exists. After a CatchUp that found something, ErrBehind
// may be out of date.
func (l *Log) CheckHead(ctx context.Context) error {
	if err := l.follow(ctx); err != nil {
		return err
	}
	return l.checkEnd(ctx, l.bucket, nearEnd)
}
