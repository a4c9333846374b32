package he

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"atrium/privacy/secrecy"
)

// ErrKey is wrapped when a one-time key cannot be used: erased, made for other
// parameters, or already used for the block.
var ErrKey = errors.New("one-time key not usable")

// OneTimeKey is the secret polynomial of one submission. It encrypts each
// block once, under one seed: two ciphertexts of one block under one key
// reveal the difference of their messages. It prints as a fingerprint.
type OneTimeKey struct {
	tables      *tables
	fingerprint string

	mu           sync.RWMutex // holds everything below; encryption reads
	coefficients []int16
	transformed  []multiplicand // for each prime, transform domain, times 1/N
	seed         [32]byte       // of the first encryption
	next         int            // blocks below are taken
	erased       bool
}

// NewKey draws a key of N coefficients from the discrete Gaussian; it reads
// 48 bytes of rand.
func (p *Parameters) NewKey(rand io.Reader) (k *OneTimeKey, err error) {
	secrecy.Do(func() { k, err = p.newKey(rand) })
	return k, err
}

func (p *Parameters) newKey(rand io.Reader) (*OneTimeKey, error) {
	source, err := newSecretSource(rand)
	if err != nil {
		return nil, fmt.Errorf("draw one-time key: %w", err)
	}
	s := p.borrow()
	defer p.giveBack(s)
	k := &OneTimeKey{tables: p.tables, coefficients: make([]int16, p.N())}
	sampleGaussian(k.coefficients, source.from(0), s.bytes)
	k.transformed = transformKey(p.tables, k.coefficients, s)
	k.fingerprint = fingerprint(k.coefficients)
	return k, nil
}

// transformKey returns the transform of a key or of a sum of keys, times 1/N
// and ready for products, for each prime.
func transformKey[T int16 | int32](t *tables, coefficients []T, s *scratch) []multiplicand {
	var out []multiplicand
	for j := range t.primes {
		f, values := &t.primes[j], s.residues[j]
		for i, v := range coefficients {
			values[i] = f.lift(int64(v))
		}
		f.ring.NTT(values, values)
		f.ring.MulScalarMontgomery(values, f.ring.NInv, values)
		out = append(out, f.multiplicand(values))
	}
	return out
}

// Coefficients returns a copy of the N centred coefficients, each of absolute
// value at most NoiseBound, for sharing; nil once erased. The caller erases it.
func (k *OneTimeKey) Coefficients() []int16 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return append([]int16(nil), k.coefficients...)
}

// Erase overwrites the key; it cannot be used again.
func (k *OneTimeKey) Erase() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.coefficients)
	for _, t := range k.transformed {
		t.erase()
	}
	k.coefficients, k.transformed, k.erased = nil, nil, true
}

// claim takes blocks [first, last) for encryption under seed, at most once
// each and in ascending order.
func (k *OneTimeKey) claim(t *tables, seed [32]byte, first, last int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.erased:
		return fmt.Errorf("%v is erased: %w", k, ErrKey)
	case k.tables != t:
		return fmt.Errorf("%v is of other parameters: %w", k, ErrKey)
	case k.next > 0 && k.seed != seed:
		return fmt.Errorf("%v is used under another seed: %w", k, ErrKey)
	case first < k.next:
		return fmt.Errorf("%v is used up to block %d: block %d: %w", k, k.next, first, ErrKey)
	}
	k.seed, k.next = seed, last
	return nil
}

// fingerprint names a key by the first four bytes of a hash of its many
// unpredictable coefficients.
func fingerprint(coefficients []int16) string {
	const label = "atrium one-time key fingerprint v1\x00"
	buf := append(make([]byte, 0, len(label)+2*len(coefficients)), label...) // growing would leave copies
	for _, c := range coefficients {
		buf = binary.LittleEndian.AppendUint16(buf, uint16(c))
	}
	sum := sha256.Sum256(buf)
	clear(buf)
	return fmt.Sprintf("one-time key %x", sum[:4])
}

// String returns the fingerprint.
func (k *OneTimeKey) String() string { return k.fingerprint }

// Format prints the fingerprint whatever the verb.
func (k *OneTimeKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.fingerprint) }

// LogValue returns the fingerprint.
func (k *OneTimeKey) LogValue() slog.Value { return slog.StringValue(k.fingerprint) }
