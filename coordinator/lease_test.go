package coordinator

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/storagetest"
)

func leaseOf(b storage.Bucket, name string) *lease {
	l := newLease(Config{Bucket: b, Name: name, Addresses: []string{name + ":1"}, Lease: defaultLease})
	return &l
}

func (l *lease) mustLook(t *testing.T) {
	t.Helper()
	if err := l.look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (l *lease) mustWrite(t *testing.T, epoch uint64, released bool) bool {
	t.Helper()
	held, err := l.write(t.Context(), epoch, released)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// TestLease: it lasts for its span after the observer saw it change, whatever the clock
// in it says; who is started again under its name has it at once.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storagetest.NewMemory()
		first, second := leaseOf(b, "first"), leaseOf(b, "second")
		first.mustLook(t)
		second.mustLook(t)
		if first.remains() != 0 || !first.mustWrite(t, 0, false) {
			t.Fatal("an absent lease is not free")
		}
		if second.mustWrite(t, 0, false) {
			t.Fatal("two hold it")
		}
		time.Sleep(4 * time.Second)
		if got := second.remains(); got != 2*time.Second {
			t.Errorf("after 4 s it lasts for %v", got)
		}
		if !first.mustWrite(t, 3, false) {
			t.Fatal("it was lost")
		}
		time.Sleep(3 * time.Second)
		second.mustLook(t) // the change is seen late: it counts from here
		if got := second.remains(); got != 6*time.Second {
			t.Errorf("just seen, it lasts for %v", got)
		}
		if addresses, ok := second.leader(); !ok || addresses[0] != "first:1" || second.value.Epoch != 3 {
			t.Errorf("leader %v, %v", addresses, ok)
		}
		again := leaseOf(b, "first")
		again.mustLook(t)
		if again.remains() != 0 {
			t.Error("a new run does not succeed the one before")
		}
		time.Sleep(6 * time.Second)
		second.mustLook(t)
		if second.remains() > 0 || !second.mustWrite(t, 0, false) {
			t.Fatal("it does not end")
		}
		if first.mustWrite(t, 3, false) {
			t.Error("the old holder renewed it")
		}
		second.release(t.Context())
		first.mustLook(t)
		if first.remains() > 0 {
			t.Error("one that was given up is not free")
		}
	})
}

// TestLeaseWriteReportedFailed: every write of the lease takes effect but is reported
// failed, or is not stored: the holder goes on to hold it.
func TestLeaseWriteReportedFailed(t *testing.T) {
	for _, fault := range storagetest.Faults(4) {
		if fault.Dies {
			continue
		}
		l := leaseOf(storagetest.NewFaulty(storagetest.NewMemory(), fault), "first")
		l.mustLook(t)
		for i := range 5 {
			held, err := l.write(t.Context(), 1, false)
			if err != nil {
				held, err = l.write(t.Context(), 1, false)
			}
			if !held || err != nil {
				t.Errorf("%s: write %d: %v, %v", fault, i, held, err)
			}
		}
	}
}

// TestLostLease: a store may lose what is written over; the holder puts it back.
func TestLostLease(t *testing.T) {
	b := storagetest.NewMemory()
	first, second := leaseOf(b, "first"), leaseOf(b, "second")
	first.mustLook(t)
	if !first.mustWrite(t, 1, false) {
		t.Fatal("an absent lease is not free")
	}
	second.mustLook(t)
	if err := b.Delete(t.Context(), storage.Lease); err != nil {
		t.Fatal(err)
	}
	if !first.mustWrite(t, 1, false) {
		t.Error("its holder does not put a lost lease back")
	}
	if second.mustWrite(t, 0, false) {
		t.Error("two hold it")
	}
}

// TestForeignLease: what cannot be read keeps others away as long as it changes.
func TestForeignLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storagetest.NewMemory()
		for _, foreign := range []string{"", "{}", strings.Repeat("x", maxLeaseBytes+10)} {
			b.Set(storage.Lease, []byte(foreign))
			l := leaseOf(b, "first")
			l.mustLook(t)
			if got := l.remains(); got != defaultLease {
				t.Errorf("%.10q lasts for %v", foreign, got)
			}
			time.Sleep(defaultLease)
			l.mustLook(t)
			if l.remains() > 0 || !l.mustWrite(t, 0, false) {
				t.Errorf("%.10q stays", foreign)
			}
		}
	})
}

// TestKeepLease: it is renewed three times a span, and lost to who takes it.
func TestKeepLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storagetest.NewMemory()
		l, other := leaseOf(b, "first"), leaseOf(b, "second")
		l.mustLook(t)
		l.mustWrite(t, 1, false)
		lost := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.keep(ctx, 1, lost, slog.New(slog.NewTextHandler(t.Output(), nil)))
		for range 100 {
			time.Sleep(time.Second)
			other.mustLook(t)
			if other.remains() < 3*time.Second {
				t.Fatalf("it would last for %v", other.remains())
			}
		}
		time.Sleep(500 * time.Millisecond) // between two renewals
		other.mustLook(t)
		if !other.mustWrite(t, 0, false) {
			t.Fatal("the other cannot take it")
		}
		time.Sleep(3 * time.Second)
		select {
		case <-lost:
		default:
			t.Error("the holder does not notice")
		}
	})
}

func FuzzDecodeLease(f *testing.F) {
	l := Lease{V: 1, Holder: "host:7443", Instance: "i", Addresses: []string{"host:7443", "[::1]:1"}, Epoch: 4, Renewal: 9,
		Milliseconds: 6000, Time: "2026-01-02T03:04:05Z"}
	f.Add(federation.Encode(l))
	l.Addresses, l.Released = nil, true
	f.Add(federation.Encode(l))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := DecodeLease(b)
		if err == nil && !bytes.Equal(federation.Encode(l), b) {
			t.Errorf("%q is decoded and encodes to %q", b, federation.Encode(l))
		}
	})
}
