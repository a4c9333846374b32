package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noDumps keeps this process's memory out of core images, and other processes of the same
// user out of its memory: keys, seeds and shares are there while they are used.
func noDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil { // a handler of core images has no limit
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return nil
}
