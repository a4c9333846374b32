package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// resultFile is where --json writes. It is opened before the work begins, so that a
// place that cannot be written to is an error at once, and appears as a whole at the end.
// An empty path writes nothing.
type resultFile struct {
	path string
	file *os.File
}

func newResultFile(path string) (*resultFile, error) {
	if path == "" {
		return &resultFile{}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".atrium-*.json")
	if err != nil {
		return nil, err
	}
	return &resultFile{path, file}, file.Chmod(0o644)
}

// write puts v in place as one indented object.
func (r *resultFile) write(v any) error {
	if r.file == nil {
		return nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return r.writeBytes(append(b, '\n'))
}

// writeBytes puts b in place.
func (r *resultFile) writeBytes(b []byte) error {
	if r.file == nil {
		return nil
	}
	if _, err := r.file.Write(b); err != nil {
		return err
	}
	name := r.file.Name()
	if err := r.file.Close(); err != nil {
		return err
	}
	r.file = nil
	return os.Rename(name, r.path)
}

// discard removes what write did not finish.
func (r *resultFile) discard() {
	if r.file != nil {
		r.file.Close()
		os.Remove(r.file.Name())
	}
}
