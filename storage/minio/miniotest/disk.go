package miniotest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// StartSmall starts one MinIO node in dir whose disk has some bytes; see [Server.Fill].
// [ErrNoNamespace].
func StartSmall(dir string, bytes int64) (*Server, error) {
	if _, err := Binary("minio"); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	disk, err := newDisk(data, bytes)
	if err != nil {
		return nil, err
	}
	s, err := startMinIO(dir, false, disk)
	if err != nil {
		disk.close()
	}
	return s, err
}

// Fill leaves no room on the disk of [StartSmall], or gives it back.
func (s *Server) Fill(full bool) error {
	name := filepath.Join(s.disk, "fill")
	return s.space.do(func() error {
		if !full {
			return os.Remove(name)
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return nil
	})
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
