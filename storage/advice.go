package storage

import (
	"errors"
	"syscall"
)

// advice says what a person does about an error of a disk.
var advice = []struct {
	errors []error
	text   string
}{
	{[]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}, "the disk is full: free space on it"},
	{[]error{syscall.EROFS}, "the file system is read-only, as after an error of its disk: check the disk, and make it writable again"},
	{[]error{syscall.EIO}, "the disk reports an error: check it, and restore the newest copy on another if it is broken"},
	{[]error{syscall.EACCES, syscall.EPERM}, "the file system denies it: give the files to the user that runs this program"},
	{[]error{ErrBroken}, "check the disk, then start this program again: it goes on from what is there"},
}

// Advice returns what a person can do about an error of a [Bucket] or of a file, or "".
// Nothing that was acknowledged is lost by any of them.
func Advice(err error) string {
	for _, a := range advice {
		for _, e := range a.errors {
			if errors.Is(err, e) {
				return a.text
			}
		}
	}
	return ""
}
