package coordinator

import (
	"path/filepath"
	"testing"

	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/storagetest"
)

// TestReportingKeepsWhatTheDriverOffers: adding ciphertexts would allocate each segment.
func TestReportingKeepsWhatTheDriverOffers(t *testing.T) {
	b, err := local.Create(filepath.Join(t.TempDir(), "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, ok := newReporting(b).(storage.IntoReader); !ok {
		t.Error("a directory reads into memory that is there, its wrapper does not")
	}
	if _, ok := newReporting(storagetest.NewMemory()).(storage.IntoReader); ok {
		t.Error("the wrapper offers what the driver does not")
	}
}
