package rpc

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrDescriptors: this process may open too few files for the hospitals that it serves.
var ErrDescriptors = errors.New("too few file descriptors")

// room is how many connections may be open, so that connections never take the
// descriptors that the store and the lease need.
type room struct {
	strangers int // not authenticated yet
	hospitals int // authenticated
}

// roomFor divides a limit of file descriptors; ErrDescriptors.
func roomFor(limit uint64, hospitals int) (room, error) {
	left := max(leastStrangers*strangersShare, 2*hospitals*strangersShare/(strangersShare-1)+1)
	if need := uint64(reservedDescriptors + left); limit < need {
		return room{}, fmt.Errorf("%d for %d hospitals, the store and the lease: %w: at least %d are needed (ulimit -n, or LimitNOFILE of the service)",
			limit, hospitals, ErrDescriptors, need)
	}
	left = int(min(limit, mostDescriptors)) - reservedDescriptors
	r := room{strangers: min(mostStrangers, left/strangersShare)}
	r.hospitals = left - r.strangers
	return r, nil
}

// descriptorLimit is the process's limit of open files; the runtime has raised it as far
// as it goes.
func descriptorLimit() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("limit of file descriptors: %w", err)
	}
	return uint64(l.Cur), nil
}
