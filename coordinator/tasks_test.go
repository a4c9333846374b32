package coordinator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"atrium/storage"
)

// TestRemains: what is missing or damaged ends a round at once, what may mend has until
// the deadline, and a storage that does not answer for a while does not end it.
func TestRemains(t *testing.T) {
	other, silent := errors.New("other"), fmt.Errorf("open: %w", trouble{errors.New("no answer")})
	for _, c := range []struct {
		err  error
		late time.Duration
		want bool
	}{
		{storage.ErrNotFound, -time.Hour, true}, {fmt.Errorf("blob: %w", storage.ErrDigest), -time.Hour, true},
		{other, -time.Second, false}, {other, 0, true},
		{silent, -time.Second, false}, {silent, 0, false}, {silent, 10 * time.Second, false}, {silent, troubleGrace, true},
	} {
		if got := remains(c.err, c.late); got != c.want {
			t.Errorf("%v, %v late: %t", c.err, c.late, got)
		}
	}
}
