package external

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client/train/external/externaltest"
)

// TestMain is the trainer when the test binary runs under the name of one of its acts.
func TestMain(m *testing.M) {
	if act, is := strings.CutPrefix(filepath.Base(os.Args[0]), "act-"); is {
		externaltest.Main(act)
	}
	os.Exit(m.Run())
}
