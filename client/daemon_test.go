package client

import (
	"testing"
	"time"
)

// TestReconnectDelay: nobody waits longer for a coordinator that is back than it was
// gone, nobody hammers one that is not, and not all come at once.
func TestReconnectDelay(t *testing.T) {
	for _, c := range []struct{ outage, bound time.Duration }{
		{0, backoffFirst}, {time.Millisecond, backoffFirst}, {2 * time.Second, 2 * time.Second}, {time.Hour, backoffLimit},
	} {
		late := 0
		for range 1000 {
			d := reconnectDelay(c.outage)
			if d < 0 || d >= c.bound {
				t.Fatalf("after %s: %s, want less than %s", c.outage, d, c.bound)
			}
			if d > c.bound/2 {
				late++
			}
		}
		if late < 400 || late > 600 { // 500 ± 6 standard deviations of 16
			t.Errorf("after %s: %d of 1000 delays are above half of %s", c.outage, late, c.bound)
		}
	}
}
