package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"atrium/storage"
)

// Sentinels of this driver.
var (
	ErrFsync    = fmt.Errorf("fsync failed, nobody knows what the disk holds: %w", storage.ErrBroken)
	ErrNotEmpty = errors.New("directory is not empty")
	ErrNoBucket = errors.New("directory holds no bucket")
	ErrClosed   = fmt.Errorf("bucket is closed: %w", storage.ErrBroken)
)

// Files of the driver's own; no object's name begins with a dot.
const (
	tempFolder = ".tmp"    // objects being written
	lockFile   = ".lock"   // flock: exclusive during swap and delete
	openFile   = ".open"   // flock: shared while a Bucket is open
	formatFile = ".format" // written last by Create
	format     = "atrium/storage/local/v1\n"
)

// Bucket is a directory as a storage.Bucket.
type Bucket struct {
	root *os.Root
	open *os.File      // holds the shared lock on openFile
	turn chan struct{} // one token: this process's turn to take lockFile

	syncFile func(*os.File) error // (*os.File).Sync but in tests

	mu      sync.Mutex
	broken  error            // owned by mu: the first fsync error, or ErrClosed
	folders map[string]bool  // owned by mu: folders that are durable themselves
	listed  map[string]bool  // owned by mu: folders whose entries were once trusted at large
	trusted map[string]stamp // owned by mu: objects known to be durable
}

var _ storage.Bucket = (*Bucket)(nil)

// Create makes dir, which must be absent or empty, an empty Bucket and opens it. What a
// Create that died left behind is no obstacle; if it is complete, Open opens it.
// [ErrNotEmpty].
func Create(dir string) (*Bucket, error) {
	b, err := create(dir, (*os.File).Sync)
	if err != nil {
		return nil, fmt.Errorf("create bucket %s: %w", dir, err)
	}
	return b, nil
}

// Open opens the Bucket that Create made of dir, and removes what dead writers left in
// .tmp unless somebody else has it open. [ErrNoBucket]. A Bucket on a read-only file
// system can be opened and read.
func Open(dir string) (*Bucket, error) {
	b, err := open(dir, (*os.File).Sync)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	return b, nil
}

func open(dir string, sync func(*os.File) error) (*Bucket, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoBucket, err)
	}
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		root: root, turn: make(chan struct{}, 1), syncFile: sync,
		folders: map[string]bool{".": true}, listed: map[string]bool{}, trusted: map[string]stamp{},
	}
	if err := b.claim(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// claim checks the format, cleans up if nobody else is there, and takes the shared lock.
func (b *Bucket) claim() error {
	text, err := b.root.ReadFile(formatFile)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoBucket
	}
	if err != nil {
		return err
	}
	if string(text) != format {
		return fmt.Errorf("%w: its format is %q", ErrNoBucket, strings.TrimSpace(string(text)))
	}
	if b.open, err = b.root.Open(openFile); err != nil {
		return err
	}
	if flock(b.open, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		if err := b.cleanTemp(); err != nil {
			return err
		}
	}
	return flock(b.open, syscall.LOCK_SH)
}

// cleanTemp removes leftovers; where it may not write it leaves them.
func (b *Bucket) cleanTemp() error {
	entries, err := fs.ReadDir(b.root.FS(), tempFolder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := b.root.Remove(tempFolder + "/" + e.Name())
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close releases the directory; later calls fail with [ErrClosed].
func (b *Bucket) Close() error {
	b.mu.Lock()
	if b.broken == nil {
		b.broken = ErrClosed
	}
	b.mu.Unlock()
	if b.open != nil {
		b.open.Close()
	}
	return b.root.Close()
}
