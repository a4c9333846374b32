//go:build !linux

package main

import (
	"fmt"
	"syscall"
)

// noDumps keeps this process's memory out of core images.
func noDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return nil
}
