package client

import (
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
)

func testLink(t *testing.T, addresses ...string) *link {
	t.Helper()
	l, err := dial(Config{Addresses: addresses, TLS: &tls.Config{MinVersion: tls.VersionTLS13}}, 0, func(connectivity.State) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.close() })
	return l
}

// TestReconnects: in an outage of half a minute 200 hospitals with two addresses ask them
// in turn, none waits longer than the outage lasts, and they do not come together.
func TestReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hospitals, outage = 200, 30 * time.Second
		gone := status.Error(codes.Unavailable, "connection refused")
		start, windows, attempts := time.Now(), map[time.Duration]int{}, 0
		for range hospitals {
			l, began := testLink(t, "a:1", "b:1"), time.Now()
			for at := time.Duration(0); at < outage; {
				before := l.route.address()
				if err := l.fail(t.Context(), gone); err != nil {
					t.Fatal(err)
				}
				waited := time.Since(began) - at
				if l.route.address() == before || waited > max(at, backoffFirst) {
					t.Fatalf("after %v: %s after %s, waited %v", at, l.route.address(), before, waited)
				}
				at += waited
				windows[at.Truncate(100*time.Millisecond)]++
				attempts++
			}
			l.well()
			if !l.outage.IsZero() {
				t.Fatal("the outage does not end")
			}
		}
		if per := attempts / hospitals; per < 6 || per > 60 {
			t.Errorf("%d attempts a hospital", per)
		}
		for at, n := range windows {
			if at > 2*time.Second && n > hospitals/5 {
				t.Errorf("%d of %d hospitals come in the tenth of a second after %v", n, hospitals, at)
			}
		}
		t.Logf("%d attempts of %d hospitals in %v, by a clock of %v", attempts, hospitals, outage, time.Since(start))
	})
}

// TestRedirected: who is told where the leader is goes there at once, but never to an
// address that is not configured.
func TestRedirected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		elsewhere := func(addresses ...string) error {
			st, err := status.New(codes.Unavailable, "this coordinator does not lead").WithDetails(&atriumpb.NotLeader{Addresses: addresses})
			if err != nil {
				t.Fatal(err)
			}
			return st.Err()
		}
		l := testLink(t, "a:1", "b:1")
		for _, tc := range []struct {
			err     error
			address string
			wait    bool
		}{
			{elsewhere("evil:1", "b:1"), "b:1", false},
			{elsewhere("evil:1"), "b:1", true},
			{elsewhere("evil:1"), "a:1", false},
		} {
			start := time.Now()
			if err := l.fail(t.Context(), tc.err); err != nil {
				t.Fatal(err)
			}
			if l.route.address() != tc.address || l.route.wait != tc.wait || time.Since(start) > time.Second {
				t.Errorf("%v: %s, wait %v, after %v", tc.err, l.route.address(), l.route.wait, time.Since(start))
			}
		}
	})
}
