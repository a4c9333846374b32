package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"atrium/storage"
)

// PutIfAbsent implements storage.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	if len(data) > storage.MaxObjectBytes {
		return fmt.Errorf("%s: %w: %d bytes", name, storage.ErrTooLarge, len(data))
	}
	if info, err := b.look(name); err == nil {
		return b.exists(name, info)
	} else if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	temp, s, err := b.writeTemp(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer b.root.Remove(temp)
	if err := b.makeFolder(path.Dir(name)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.root.Link(temp, name); errors.Is(err, fs.ErrExist) {
		info, err := b.look(name)
		if err != nil {
			return err
		}
		return b.exists(name, info)
	} else if err != nil {
		return err
	}
	if err := b.syncFolder(path.Dir(name)); err != nil {
		return err
	}
	b.remember(name, s)
	return nil
}

// exists returns storage.ErrExists once the object that is there is durable.
func (b *Bucket) exists(name string, info fs.FileInfo) error {
	if err := b.trust(name, info); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", name, storage.ErrExists)
}

// writeTemp writes and fsyncs a file below .tmp and returns its path.
func (b *Bucket) writeTemp(data []byte) (temp string, s stamp, err error) {
	temp = tempFolder + "/" + rand.Text()
	f, err := b.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", s, err
	}
	if _, err = f.Write(data); err == nil {
		err = b.sync(f)
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		b.root.Remove(temp)
		return "", s, err
	}
	return temp, stampOf(info), nil
}

// CompareAndSwap implements storage.Bucket.
func (b *Bucket) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	if len(new) > storage.MaxObjectBytes {
		return fmt.Errorf("%s: %w: %d bytes", name, storage.ErrTooLarge, len(new))
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if old == nil {
		err := b.PutIfAbsent(ctx, name, new)
		if errors.Is(err, storage.ErrExists) {
			return fmt.Errorf("%s: %w: it exists", name, storage.ErrConflict)
		}
		return err
	}
	if err := b.compare(name, old); err != nil {
		return err
	}
	return b.replace(name, new)
}

// compare returns storage.ErrConflict unless the object's bytes are old. The caller
// holds the lock.
func (b *Bucket) compare(name string, old []byte) error {
	info, err := b.look(name)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%s: %w: it is absent", name, storage.ErrConflict)
	}
	if err != nil {
		return err
	}
	if err := b.trust(name, info); err != nil {
		return err
	}
	f, err := b.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(old))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(there, old) {
		return fmt.Errorf("%s: %w", name, storage.ErrConflict)
	}
	return nil
}

// replace swaps the object's file by rename. The caller holds the lock.
func (b *Bucket) replace(name string, data []byte) error {
	temp, s, err := b.writeTemp(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := b.root.Rename(temp, name); err != nil {
		b.root.Remove(temp)
		return err
	}
	if err := b.syncFolder(path.Dir(name)); err != nil {
		return err
	}
	b.remember(name, s)
	return nil
}

// Delete implements storage.Bucket. The folders of the object stay.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := b.look(name); errors.Is(err, storage.ErrNotFound) {
		return b.absent(path.Dir(name))
	} else if err != nil {
		return err
	}
	if err := b.root.Remove(name); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.trusted, name)
	b.mu.Unlock()
	return b.syncFolder(path.Dir(name))
}

// absent makes durable that something is no longer in folder, which may not exist.
func (b *Bucket) absent(folder string) error {
	if info, err := b.root.Stat(folder); err != nil || !info.IsDir() {
		return nil
	}
	return b.syncFolder(folder)
}
