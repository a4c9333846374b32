package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"atrium/storage/storagetest"
)

func TestLed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storagetest.NewMemory()
		ask := func(what string, want bool) {
			t.Helper()
			start := time.Now()
			if l, led, err := Led(t.Context(), b); err != nil || led != want || led && l.Holder != "first" || time.Since(start) > defaultLease+time.Second {
				t.Errorf("%s: %+v, led %t after %s, %v", what, l, led, time.Since(start), err)
			}
		}
		ask("no lease", false)
		first := leaseOf(b, "first")
		first.mustLook(t)
		first.mustWrite(t, 1, false)
		ask("its holder is dead", false)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-time.After(2 * time.Second):
					first.mustWrite(t, 1, false)
				case <-stop:
					return
				}
			}
		}()
		ask("its holder lives", true)
		close(stop)
		<-stopped
		first.mustWrite(t, 1, true)
		ask("it was given up", false)
	})
}
