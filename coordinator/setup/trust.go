package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrChangeable: somebody else than the user who runs this program, and root, can change
// a file that decides what this program does.
var ErrChangeable = errors.New("others can change it")

// Trust refuses a file or folder that others can write, or that they can replace in one of
// the folders above it, through links too; [ErrChangeable] says what to do. In a folder
// with the sticky bit, such as /tmp, nobody replaces what is another's. A path that does
// not exist is no matter of this.
func Trust(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := follow(abs, uint32(os.Geteuid())); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// follow judges every folder, link and file on the way to a path, as the kernel goes it.
func follow(abs string, user uint32) error {
	at, rest, links := "/", strings.Split(abs, "/"), 0
	if err := judge(at, false, user); err != nil {
		return err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." || name == ".." {
			at = filepath.Join(at, name)
			continue
		}
		next := filepath.Join(at, name)
		if err := judge(next, strings.Trim(strings.Join(rest, ""), ".") == "", user); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		target, err := os.Readlink(next)
		if err != nil { // no link
			at = next
			continue
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%s: more than %d links", abs, maxLinks)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil
}

// judge looks at one of them; last says that it is what the path names.
func judge(path string, last bool, user uint32) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner := user
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = s.Uid
	}
	if text := changeable(path, info.Mode(), last, owner, user); text != "" {
		return fmt.Errorf("%w: %s", ErrChangeable, text)
	}
	return nil
}

// changeable says why others can change something and what to do about it, or "".
func changeable(path string, mode fs.FileMode, last bool, owner, user uint32) string {
	switch {
	case owner != 0 && owner != user:
		return fmt.Sprintf("%s belongs to user %d, and user %d runs this: run it as user %d, or: chown %d %s", path, owner, user, owner, user, path)
	case mode&fs.ModeSymlink != 0 || mode.Perm()&0o022 == 0:
		return "" // what a link may be read as is the mode of what it leads to
	case mode.IsDir() && mode&fs.ModeSticky != 0 && !last:
		return ""
	}
	return fmt.Sprintf("%s has mode %04o; run: chmod go-w %s", path, mode.Perm(), path)
}
