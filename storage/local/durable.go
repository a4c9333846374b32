package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"atrium/storage"
)

// stamp tells one file from another that had or will have its name.
type stamp struct {
	inode    uint64
	size     int64
	modified int64 // nanoseconds
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), modified: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = uint64(sys.Ino)
	}
	return s
}

// usable returns the error that ended the Bucket's life.
func (b *Bucket) usable() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// sync fsyncs an open file or folder; an error is final.
func (b *Bucket) sync(f *os.File) error {
	err := b.syncFile(f)
	if err == nil {
		return b.usable()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.broken = fmt.Errorf("%w: %w", ErrFsync, err)
	}
	return b.broken
}

func (b *Bucket) syncFolder(folder string) error {
	f, err := b.root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return b.sync(f)
}

// makeFolder creates folder and the folders above it, and makes each durable before
// anything is put into it, whoever created it.
func (b *Bucket) makeFolder(folder string) error {
	b.mu.Lock()
	known := b.folders[folder]
	b.mu.Unlock()
	if known {
		return nil
	}
	parent := path.Dir(folder)
	if err := b.makeFolder(parent); err != nil {
		return err
	}
	if err := b.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := b.syncFolder(parent); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.folders[folder] = true
	return nil
}

// trust makes sure that an object which was seen will still be seen after a loss of
// power. Its bytes were fsynced before it appeared; its folder may not have been since.
// The first time in a folder everything that is there is trusted together.
func (b *Bucket) trust(name string, info fs.FileInfo) error {
	folder, seen := path.Dir(name), map[string]stamp{name: stampOf(info)}
	b.mu.Lock()
	known, atLarge := b.trusted[name] == seen[name], !b.listed[folder]
	b.mu.Unlock()
	if known {
		return nil
	}
	if atLarge {
		if err := b.readFolder(folder, seen); err != nil {
			return err
		}
	}
	if err := b.syncFolder(folder); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listed[folder] = true
	if len(b.trusted)+len(seen) > maxTrusted {
		clear(b.trusted)
	}
	if len(seen) <= maxTrusted {
		for name, s := range seen {
			b.trusted[name] = s
		}
	}
	return nil
}

// readFolder adds the objects directly in folder to seen.
func (b *Bucket) readFolder(folder string, seen map[string]stamp) error {
	f, err := b.root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	for _, info := range infos {
		name := path.Join(folder, info.Name())
		if _, ok := seen[name]; !ok && info.Mode().IsRegular() {
			seen[name] = stampOf(info)
		}
	}
	return err
}

// remember notes an object that this process has made durable itself.
func (b *Bucket) remember(name string, s stamp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.trusted) >= maxTrusted {
		clear(b.trusted)
	}
	b.trusted[name] = s
}

// look returns what is stored under name: storage.ErrNotFound for nothing or a folder,
// an error for anything else that is no regular file.
func (b *Bucket) look(name string) (fs.FileInfo, error) {
	info, err := b.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), err == nil && info.IsDir():
		return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %s is no regular file", name, info.Mode().Type())
	}
	return info, nil
}
