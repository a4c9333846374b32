package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"atrium/storage"
)

var _ storage.IntoReader = (*Bucket)(nil)

// GetInto implements storage.IntoReader.
func (b *Bucket) GetInto(ctx context.Context, name string, dst []byte) (int, error) {
	if err := b.begin(ctx, name); err != nil {
		return 0, err
	}
	if _, err := b.look(name); err != nil {
		return 0, err
	}
	f, err := b.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := b.trust(name, info); err != nil {
		return 0, err
	}
	if info.Size() > int64(len(dst)) {
		return 0, fmt.Errorf("%s: %w: %d bytes", name, storage.ErrTooLarge, info.Size())
	}
	n, err := f.ReadAt(dst[:info.Size()], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	return n, nil
}
