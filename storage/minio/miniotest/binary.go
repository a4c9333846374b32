package miniotest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// ErrNoBinary means that a server was not built.
var ErrNoBinary = errors.New("server is not built: make servers")

// Binary is the path of a server in .tools/bin of the module. [ErrNoBinary].
func Binary(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s: %w: no go.mod above", name, ErrNoBinary)
		}
	}
	path := filepath.Join(dir, ".tools", "bin", name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", path, ErrNoBinary)
	}
	return path, nil
}

// Check ends a test at an error of starting a server: a missing binary skips it with a
// message, and fails it where CI is "true".
func Check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNoBinary) && os.Getenv("CI") != "true" {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
