package minio

import (
	"context"
	"errors"
	"fmt"
	"time"

	s3 "github.com/minio/minio-go/v7"
)

// errSlow is why an attempt was given up.
var errSlow = errors.New("no answer in time")

// call is one call of this driver: its attempts, and the time that they have together.
type call struct {
	allowance time.Duration
	deadline  time.Time
	limit     time.Duration // of the attempt under way
	timer     *time.Timer   // ends it
}

// comes gives a call that moves forward its time again, and more for a body of some bytes.
func (c *call) comes(bytes int64) {
	more := time.Duration(bytes) * time.Second / slowestRate
	c.deadline = time.Now().Add(c.allowance + more)
	c.timer.Reset(c.limit + more)
}

// try performs a request with a body of some bytes, and again while its answer is lost,
// for the call's allowance; an attempt gets at most half of it. It reports whether an
// attempt before the last had an unknown outcome. The error is judged.
func (b *Bucket) try(ctx context.Context, a account, bytes int64, do func(context.Context, *s3.Core, *call) error) (lost bool, err error) {
	allowance := b.config.Patience + time.Duration(bytes)*time.Second/slowestRate
	call := &call{allowance: allowance, deadline: time.Now().Add(allowance)}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		at := b.endpoint.Load()
		err = call.attempt(ctx, a[at%int64(len(a))], do)
		if err == nil {
			return lost, nil
		}
		if ctx.Err() != nil {
			return lost, ctx.Err()
		}
		judged, v := judge(err)
		if v == final {
			return lost, judged
		}
		lost, err = true, judged
		b.endpoint.CompareAndSwap(at, at+1)
		b.transport.CloseIdleConnections() // they may be as dead
		if time.Until(call.deadline) <= pause {
			return lost, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return lost, ctx.Err()
		}
	}
}

// attempt is one request with its time limit. The error of one that was slow wraps no
// error of a context, which would look like the caller's.
func (c *call) attempt(ctx context.Context, core *s3.Core, do func(context.Context, *s3.Core, *call) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.limit = min(c.allowance/2, time.Until(c.deadline))
	c.timer = time.AfterFunc(c.limit, func() { cancel(errSlow) })
	defer c.timer.Stop()
	err := do(ctx, core, c)
	if err != nil && context.Cause(ctx) == errSlow {
		return fmt.Errorf("%w from %s", errSlow, core.EndpointURL().Host)
	}
	return err
}
