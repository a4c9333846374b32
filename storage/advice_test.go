package storage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"atrium/storage"
)

func TestAdvice(t *testing.T) {
	wrapped := func(e error) error {
		return fmt.Errorf("put: %w", &fs.PathError{Op: "write", Path: "state/x", Err: e})
	}
	for want, err := range map[string]error{
		"free space": wrapped(syscall.ENOSPC), "read-only": wrapped(syscall.EROFS), "reports an error": wrapped(syscall.EIO),
		"denies it": wrapped(syscall.EACCES), "start this program again": fmt.Errorf("get: %w", storage.ErrBroken), "": errors.New("other"),
	} {
		if got := storage.Advice(err); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
