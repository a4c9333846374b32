package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"atrium/storage"
)

// Memory is a Bucket in memory. Its map is the model that other drivers are compared to.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte // owned by mu
}

var _ storage.Bucket = (*Memory)(nil)

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{objects: make(map[string][]byte)} }

// Clone returns a copy that shares nothing with m.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for name, data := range m.objects {
		c.objects[name] = bytes.Clone(data)
	}
	return c
}

// Set stores or replaces an object without any condition; nil data removes it.
// It is how a test damages a store.
func (m *Memory) Set(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		delete(m.objects, name)
		return
	}
	m.objects[name] = append([]byte{}, data...)
}

func (m *Memory) lock(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckName(name); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

// Get implements storage.Bucket.
func (m *Memory) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := m.lock(ctx, name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	data, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	if offset < 0 || offset > int64(len(data)) {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrRange)
	}
	data = data[offset:]
	if length >= 0 && length < int64(len(data)) {
		data = data[:length]
	}
	return bytes.Clone(data), nil
}

// PutIfAbsent implements storage.Bucket.
func (m *Memory) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := m.lock(ctx, name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if len(data) > storage.MaxObjectBytes {
		return fmt.Errorf("%s: %w", name, storage.ErrTooLarge)
	}
	if _, ok := m.objects[name]; ok {
		return fmt.Errorf("%s: %w", name, storage.ErrExists)
	}
	m.objects[name] = append([]byte{}, data...)
	return nil
}

// CompareAndSwap implements storage.Bucket.
func (m *Memory) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	if err := m.lock(ctx, name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if len(new) > storage.MaxObjectBytes {
		return fmt.Errorf("%s: %w", name, storage.ErrTooLarge)
	}
	there, ok := m.objects[name]
	if ok != (old != nil) || !bytes.Equal(there, old) {
		return fmt.Errorf("%s: %w", name, storage.ErrConflict)
	}
	m.objects[name] = append([]byte{}, new...)
	return nil
}

// List implements storage.Bucket.
func (m *Memory) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := storage.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []storage.ObjectInfo
	for name, data := range m.objects {
		if strings.HasPrefix(name, prefix) {
			infos = append(infos, storage.ObjectInfo{Name: name, Size: int64(len(data))})
		}
	}
	slices.SortFunc(infos, func(a, b storage.ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Stat implements storage.Bucket.
func (m *Memory) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	if err := m.lock(ctx, name); err != nil {
		return storage.ObjectInfo{}, err
	}
	defer m.mu.Unlock()
	data, ok := m.objects[name]
	if !ok {
		return storage.ObjectInfo{}, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	return storage.ObjectInfo{Name: name, Size: int64(len(data))}, nil
}

// Delete implements storage.Bucket.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := m.lock(ctx, name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}
