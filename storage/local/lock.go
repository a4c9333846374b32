package local

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// flock calls flock(2) until no signal interrupts it.
func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}

// lock waits for the one writer's turn among all goroutines and processes. It polls,
// because flock(2) cannot be cancelled; a turn lasts as long as two fsyncs.
func (b *Bucket) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := b.root.OpenFile(lockFile, os.O_RDWR, 0)
	if err != nil {
		<-b.turn
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close(); <-b.turn }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		f.Close()
		<-b.turn
		return nil, err
	}
}
