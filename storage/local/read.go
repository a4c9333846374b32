package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"atrium/storage"
)

func (b *Bucket) begin(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckName(name); err != nil {
		return err
	}
	return b.usable()
}

// Get implements storage.Bucket.
func (b *Bucket) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := b.begin(ctx, name); err != nil {
		return nil, err
	}
	if _, err := b.look(name); err != nil {
		return nil, err
	}
	f, err := b.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := b.trust(name, info); err != nil {
		return nil, err
	}
	if offset < 0 || offset > info.Size() {
		return nil, fmt.Errorf("%s: %w: %d of %d bytes", name, storage.ErrRange, offset, info.Size())
	}
	if rest := info.Size() - offset; length < 0 || length > rest {
		length = rest
	}
	if length > storage.MaxObjectBytes {
		return nil, fmt.Errorf("%s: %w: %d bytes", name, storage.ErrTooLarge, length)
	}
	data := make([]byte, length)
	if _, err := f.ReadAt(data, offset); err != nil && err != io.EOF {
		return nil, err
	}
	return data, nil
}

// Stat implements storage.Bucket.
func (b *Bucket) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	if err := b.begin(ctx, name); err != nil {
		return storage.ObjectInfo{}, err
	}
	info, err := b.look(name)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	if err := b.trust(name, info); err != nil {
		return storage.ObjectInfo{}, err
	}
	return storage.ObjectInfo{Name: name, Size: info.Size()}, nil
}

// List implements storage.Bucket. Files whose names no object can have are passed over.
func (b *Bucket) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	if err := storage.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if err := b.usable(); err != nil {
		return nil, err
	}
	var infos []storage.ObjectInfo
	err := fs.WalkDir(b.root.FS(), path.Dir(prefix), func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if missing(err) {
			return nil
		}
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			return enter(name, prefix)
		}
		if !strings.HasPrefix(name, prefix) || !d.Type().IsRegular() || storage.CheckName(name) != nil {
			return nil
		}
		info, err := d.Info()
		if missing(err) {
			return nil
		}
		if err == nil {
			infos = append(infos, storage.ObjectInfo{Name: name, Size: info.Size()})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b storage.ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// enter says whether a folder can hold names that begin with prefix.
func enter(folder, prefix string) error {
	folder += "/"
	if storage.CheckPrefix(folder) != nil || !strings.HasPrefix(folder, prefix) && !strings.HasPrefix(prefix, folder) {
		return fs.SkipDir
	}
	return nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
