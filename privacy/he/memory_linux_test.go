package he

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"atrium/privacy/secrecy"
	"atrium/privacy/shamir"
)

// needle is a secret to be looked for, which is not in memory itself.
type needle []byte

const masked = 0xa5

func mask(b []byte) needle {
	n := make(needle, len(b))
	for i, v := range b {
		n[i] = v ^ masked
	}
	return n
}

// in counts the places of a part of memory that hold the secret.
func (n needle) in(memory []byte) (found int) {
	first := n[0] ^ masked
	for {
		i := bytes.IndexByte(memory, first)
		if i < 0 || len(memory)-i < len(n) {
			return found
		}
		memory = memory[i:]
		same := 0
		for same < len(n) && memory[same]^masked == n[same] {
			same++
		}
		if same == len(n) {
			found++
		}
		memory = memory[1:]
	}
}

// span is a range of addresses.
type span struct{ from, to int64 }

// writable lists what a core image of this process would hold that it can have written,
// but for hole.
func writable(t *testing.T, hole span) (spans []span) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var s span
		if !strings.Contains(line, " rw") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &s.from, &s.to); err != nil {
			t.Fatal(err)
		}
		for _, part := range []span{{s.from, min(s.to, max(s.from, hole.from))}, {max(s.from, min(s.to, hole.to)), s.to}} {
			if part.from < part.to && (part.to <= hole.from || part.from >= hole.to) {
				spans = append(spans, part)
			}
		}
	}
	return spans
}

// copies counts the places in this process's memory with each secret.
func copies(t *testing.T, secrets ...needle) []int {
	t.Helper()
	window, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(window)
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	start := int64(uintptr(unsafe.Pointer(&window[0])))
	found, read := make([]int, len(secrets)), 0
	for _, s := range writable(t, span{start, start + int64(len(window))}) {
		for at := s.from; at < s.to; at += int64(len(window)) - 256 { // longer than a secret
			n, err := mem.ReadAt(window[:min(int64(len(window)), s.to-at)], at)
			if err != nil {
				break // a page that is not there was never written
			}
			read += n
			for i, secret := range secrets {
				found[i] += secret.in(window[:n])
			}
		}
	}
	if read < 1<<20 {
		t.Fatalf("%d bytes of memory were read", read)
	}
	return found
}

// taken masks the first bytes of a slice.
func taken[T any](values []T) needle {
	return mask(unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), 96))
}

// drawn makes a key from bytes that are random and returns 32 of them.
func drawn(t *testing.T, p *Parameters) (*OneTimeKey, needle) {
	t.Helper()
	var seed [48]byte
	defer clear(seed[:])
	if _, err := rand.Read(seed[:]); err != nil {
		t.Fatal(err)
	}
	key, err := p.NewKey(bytes.NewReader(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key, mask(seed[:32])
}

// TestNoKeyInMemory makes a one-time key, encrypts, shares and erases. Before it is erased
// it is found in memory; then neither the key, nor its transform, nor what it was drawn
// from, where the runtime erases that.
func TestNoKeyInMemory(t *testing.T) {
	p := parameters(t, choose(t, 100_000, 10, 16)).Parallel(2)
	key, seed := drawn(t, p)
	coefficients := key.Coefficients()
	secrets := []needle{taken(coefficients), seed}
	if centred := key.transformed[0].centred; centred != nil {
		secrets = append(secrets, taken(centred))
	} else {
		secrets = append(secrets, taken(key.transformed[0].factors))
	}
	for _, s := range p.Segments(1 << 16) {
		from, to := p.Fields(s.First, s.Last)
		if _, err := p.EncryptBlocks(nil, s.First, s.Last, [32]byte{}, key, make([]uint32, to-from), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	shares, err := shamir.Share(coefficients, 3, 4, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, taken(shares[2]))
	for i, n := range copies(t, secrets...) {
		if n == 0 && i != 1 { // the seed is gone at once where a collection came by
			t.Errorf("secret %d is not found while it is used", i)
		}
	}
	clear(coefficients)
	for _, s := range shares {
		clear(s)
	}
	key.Erase()
	secrecy.Collect()
	for i, n := range copies(t, secrets...) {
		if n > 0 && i == 1 && !secrecy.Erases {
			t.Logf("the seed is in %d places: this build does not erase AES keys", n)
		} else if n > 0 {
			t.Errorf("secret %d is in %d places after it was erased", i, n)
		}
	}
	runtime.KeepAlive(key)
	runtime.KeepAlive(coefficients)
	runtime.KeepAlive(shares)
}
