package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func create(dir string, sync func(*os.File) error) (*Bucket, error) {
	if err := makeFolders(dir, sync); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n := e.Name(); n != tempFolder && n != lockFile && n != openFile {
			return nil, fmt.Errorf("%w: it has %s", ErrNotEmpty, n)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, tempFolder), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	for _, name := range []string{lockFile, openFile} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	if err := writeFormat(dir, sync); err != nil {
		return nil, err
	}
	return open(dir, sync)
}

// MakeFolders creates dir and its missing parents, mode 0700, so that they survive the
// loss of power: a file in a folder that vanishes is lost with it.
func MakeFolders(dir string) error { return makeFolders(dir, (*os.File).Sync) }

// makeFolders creates dir and its missing parents and fsyncs the parent of each.
func makeFolders(dir string, sync func(*os.File) error) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := makeFolders(parent, sync); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(parent, sync)
}

// writeFormat marks dir as a Bucket; a rename keeps the mark whole.
func writeFormat(dir string, sync func(*os.File) error) error {
	temp := filepath.Join(dir, tempFolder, formatFile)
	if err := os.WriteFile(temp, []byte(format), 0o600); err != nil {
		return err
	}
	if err := syncPath(temp, sync); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, formatFile)); err != nil {
		return err
	}
	return syncPath(dir, sync)
}

func syncPath(path string, sync func(*os.File) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sync(f); err != nil {
		return fmt.Errorf("%w: %w", ErrFsync, err)
	}
	return nil
}
