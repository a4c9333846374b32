package shamir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sentinels of the package's refusals.
var (
	ErrThreshold = errors.New("threshold out of range")
	ErrSecret    = errors.New("secret out of range")
	ErrLength    = errors.New("vector length out of range")
	ErrElement   = errors.New("element is not below 65521")
	ErrPoints    = errors.New("points are not distinct within range")
)

// chunk is the number of coefficients that are shared at a time.
const chunk = 512

// Share splits secret, of values in [-MaxSecret, MaxSecret], into m shares of
// the same length; share j, at index j-1, belongs to point j, and any t of
// them determine the secret. Random coefficients are uniform, by rejection of
// 16-bit words of rand. 1 <= t <= m <= MaxShares.
func Share(secret []int16, t, m int, rand io.Reader) ([][]uint16, error) {
	if t < 1 || t > m || m > MaxShares {
		return nil, fmt.Errorf("share with threshold %d of %d: %w", t, m, ErrThreshold)
	}
	if len(secret) > MaxLength {
		return nil, fmt.Errorf("share %d coefficients, at most %d: %w", len(secret), MaxLength, ErrLength)
	}
	outside := int64(0)
	for _, s := range secret {
		outside |= (MaxSecret - int64(s)) | (MaxSecret + int64(s))
	}
	if outside < 0 {
		return nil, fmt.Errorf("share %d coefficients: %w", len(secret), ErrSecret)
	}
	shares := make([][]uint16, m)
	for j := range shares {
		shares[j] = make([]uint16, len(secret))
	}
	d := dealer{words: elements{source: rand}}
	defer d.erase()
	for first := 0; first < len(secret); first += chunk {
		last := min(first+chunk, len(secret))
		if err := d.share(shares, secret[first:last], first, t); err != nil {
			return nil, fmt.Errorf("share coefficients from %d: %w", first, err)
		}
	}
	return shares, nil
}

// dealer holds the secret scratch of one Share.
type dealer struct {
	words  elements
	random [MaxShares][chunk]uint16
	value  [chunk]uint64
}

// share evaluates the polynomials of one chunk at every point. A value is a
// sum of at most MaxShares products below 2^32, reduced once.
func (d *dealer) share(shares [][]uint16, secret []int16, first, t int) error {
	for k := 1; k < t; k++ {
		if err := d.words.fill(d.random[k][:len(secret)]); err != nil {
			return err
		}
	}
	for j := range shares {
		value := d.value[:len(secret)]
		for i, s := range secret {
			value[i] = lift(s)
		}
		x := uint64(j + 1)
		pow := x
		for k := 1; k < t; k++ {
			random := d.random[k][:len(value)]
			for i := range value {
				value[i] += pow * uint64(random[i])
			}
			pow = pow * x % P
		}
		out := shares[j][first : first+len(value)]
		for i, v := range value {
			out[i] = uint16(v % P)
		}
	}
	return nil
}

func (d *dealer) erase() {
	clear(d.words.buf[:])
	for k := range d.random {
		clear(d.random[k][:])
	}
	clear(d.value[:])
}

// elements draws uniform field elements from a stream of bytes.
type elements struct {
	source io.Reader
	buf    [4096]byte
	left   int
}

// fill writes len(dst) uniform elements; 16-bit words of 65521 and above are
// passed over.
func (e *elements) fill(dst []uint16) error {
	for i := 0; i < len(dst); {
		if e.left == 0 {
			if _, err := io.ReadFull(e.source, e.buf[:]); err != nil {
				return fmt.Errorf("read randomness: %w", err)
			}
			e.left = len(e.buf)
		}
		word := binary.LittleEndian.Uint16(e.buf[len(e.buf)-e.left:])
		e.left -= 2
		if word < P {
			dst[i] = word
			i++
		}
	}
	return nil
}

// AddTo adds share to sum modulo P. Both have one length and elements below
// P, else sum is left as it was.
func AddTo(sum, share []uint16) error {
	if len(sum) != len(share) {
		return fmt.Errorf("add share of %d coefficients to sum of %d: %w", len(share), len(sum), ErrLength)
	}
	if err := checkElements(sum); err != nil {
		return fmt.Errorf("add share to sum: sum %w", err)
	}
	if err := checkElements(share); err != nil {
		return fmt.Errorf("add share to sum: share %w", err)
	}
	for i, v := range share {
		sum[i] = uint16((uint32(sum[i]) + uint32(v)) % P)
	}
	return nil
}

func checkElements(v []uint16) error {
	for i, e := range v {
		if e >= P {
			return fmt.Errorf("coefficient %d is %d: %w", i, e, ErrElement)
		}
	}
	return nil
}
