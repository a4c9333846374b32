package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
)

func newBenchEncryptCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "encrypt",
		Short: "Time encryption, addition, sharing and opening of a vector, and check every field of the sum",
		Long: `Encrypts a vector of random fields for each hospital, adds the ciphertexts, opens the
sum and compares every field with the plain sum, one segment at a time on one goroutine.
Times are of one processor, without what it spent on other programs, per million
parameters: one hospital's for encrypt and share, one ciphertext's for add, the sum's for
open. Bytes are all that a hospital sends, key shares included.`,
		Example: `  atrium bench encrypt
  atrium bench encrypt --params 25000000 --hospitals 128 --bits 8 --json encrypt.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(he.MinGroup, he.MaxGroup); err != nil {
				return err
			}
			result, err := benchEncrypt(cmd.Context(), o)
			if err != nil {
				return err
			}
			showBenchEncrypt(newOutput(cmd), result)
			if result.WrongSums > 0 {
				err = fmt.Errorf("%d of %d sums are wrong", result.WrongSums, result.Params)
			}
			return errors.Join(err, o.writeJSON(result))
		},
	}
	o.addFlags(cmd)
	return cmd
}

// encryptResult is what --json writes. Times are milliseconds of one processor per million
// parameters.
type encryptResult struct {
	Params        int     `json:"params"`
	Hospitals     int     `json:"hospitals"`
	Bits          int     `json:"bits"`
	RingDegree    int     `json:"ring_degree"`
	LogQ          int     `json:"log_q"`
	PerCoeff      int     `json:"values_per_coefficient"`
	Custodians    int     `json:"custodians"`
	BytesPerParam float64 `json:"bytes_per_param"`
	OfFloat32     float64 `json:"of_float32"` // bytes sent over those of plain float32
	EncryptMS     float64 `json:"encrypt_ms"`
	AddMS         float64 `json:"add_ms"`
	ShareMS       float64 `json:"share_ms"`
	OpenMS        float64 `json:"open_ms"`
	PlainMS       float64 `json:"plain_ms"` // plain float32: encode and copy
	WrongSums     int     `json:"wrong_sums"`
	PeakMB        float64 `json:"peak_mb"`
	Machine       machine `json:"machine"`
}

// encryptBench is a benchmark under way.
type encryptBench struct {
	o        benchOptions
	params   *he.Parameters
	seed     [32]byte
	keys     []*he.OneTimeKey
	keySum   []int32
	prepared *he.KeySum // of keySum

	encrypt, add, share, open, plain time.Duration
	wrong                            int
	bytes                            int64 // one hospital's
}

func benchEncrypt(ctx context.Context, o benchOptions) (encryptResult, error) {
	host := thisMachine()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	literal, err := he.Choose(o.Params, o.Hospitals, o.Bits)
	if err != nil {
		return encryptResult{}, err
	}
	b := encryptBench{o: o, seed: sha256.Sum256([]byte("atrium bench encrypt"))}
	if b.params, err = literal.Parameters(); err != nil {
		return encryptResult{}, err
	}
	custodians, threshold := benchParties(o.Hospitals)
	if err := b.drawKeys(custodians, threshold); err != nil {
		return encryptResult{}, err
	}
	for _, s := range b.params.Segments(he.DefaultSegment) {
		if err := ctx.Err(); err != nil {
			return encryptResult{}, err
		}
		if err := b.segment(s); err != nil {
			return encryptResult{}, err
		}
	}
	millions := float64(o.Params) / 1e6
	each := millions * float64(o.Hospitals)
	perMillion := func(d time.Duration, n float64) float64 { return d.Seconds() * 1e3 / n }
	bytesPerParam := float64(b.bytes) / float64(o.Params)
	logQ := 0
	for _, q := range literal.Primes {
		logQ += int(math.Ceil(math.Log2(float64(q))))
	}
	return encryptResult{Params: o.Params, Hospitals: o.Hospitals, Bits: o.Bits, RingDegree: b.params.N(), LogQ: logQ,
		PerCoeff: literal.PerCoefficient, Custodians: custodians, BytesPerParam: bytesPerParam, OfFloat32: bytesPerParam / 4,
		EncryptMS: perMillion(b.encrypt, each), AddMS: perMillion(b.add, each), ShareMS: perMillion(b.share, each),
		OpenMS: perMillion(b.open, millions), PlainMS: perMillion(b.plain, each),
		WrongSums: b.wrong, PeakMB: peakMB(os.Getpid()), Machine: host}, nil
}

// drawKeys draws, shares and seals a one-time key for each hospital; a hospital's own
// work is timed.
func (b *encryptBench) drawKeys(custodians, threshold int) error {
	private, err := envelope.NewKey()
	if err != nil {
		return err
	}
	public := private.Public()
	b.keySum = make([]int32, b.params.N())
	b.bytes = int64(b.params.CiphertextBytes())
	for h := range b.o.Hospitals {
		began := threadTime()
		key, err := b.params.NewKey(rand.Reader)
		if err != nil {
			return err
		}
		secret := key.Coefficients()
		shares, err := shamir.Share(secret, threshold, custodians, rand.Reader)
		if err != nil {
			return err
		}
		for j, share := range shares {
			sealed, err := envelope.Seal(public, envelope.AssociatedData{Manifest: b.seed, UpdateRoot: b.seed, From: federation.HospitalID(fmt.Sprintf("h-%d", h)),
				To: federation.HospitalID(fmt.Sprintf("c-%d", j))}, shamir.Marshal(share))
			if err != nil {
				return err
			}
			if h == 0 {
				b.bytes += int64(len(sealed))
			}
		}
		b.share += threadTime() - began
		for i, v := range secret {
			b.keySum[i] += int32(v)
		}
		b.keys = append(b.keys, key)
	}
	return nil
}

// segment encrypts, adds and opens one segment of every hospital's vector.
func (b *encryptBench) segment(s he.Segment) error {
	from, to := b.params.Fields(s.First, s.Last)
	fields, want := make([]uint32, to-from), make([]uint64, to-from)
	plain, copied := make([]byte, 4*len(fields)), make([]byte, 4*len(fields))
	sum, err := b.params.NewSegmentSum(s.First, s.Last)
	if err != nil {
		return err
	}
	wire := make([]byte, s.Bytes)
	clear(wire)
	for h, key := range b.keys {
		rng := benchStream(uint64(h)<<32 | uint64(s.First)<<1 | 1)
		for i := range fields {
			fields[i] = uint32(rng.next() >> (64 - b.o.Bits))
			want[i] += uint64(fields[i])
		}
		began := threadTime()
		if wire, err = b.params.EncryptBlocks(wire[:0], s.First, s.Last, b.seed, key, fields, rand.Reader); err != nil {
			return err
		}
		b.encrypt += threadTime() - began
		began = threadTime()
		if err := sum.Add(wire); err != nil {
			return err
		}
		b.add += threadTime() - began
		began = threadTime()
		for i, v := range fields {
			binary.LittleEndian.PutUint32(plain[4*i:], math.Float32bits(float32(v)))
		}
		copy(copied, plain)
		b.plain += threadTime() - began
	}
	if !bytes.Equal(plain, copied) {
		return fmt.Errorf("a copy of %d bytes differs", len(plain))
	}
	opened := make([]uint64, to-from)
	clear(opened) // so that the system has given the memory before the clock runs
	began := threadTime()
	if b.prepared == nil {
		if b.prepared, err = b.params.PrepareKeySum(b.keySum, b.o.Hospitals); err != nil {
			return err
		}
	}
	if err := b.prepared.Open(b.seed, sum, opened); err != nil {
		return err
	}
	b.open += threadTime() - began
	for i, v := range opened {
		if v != want[i] {
			b.wrong++
		}
	}
	return nil
}

func showBenchEncrypt(out *output, r encryptResult) {
	out.line("%d parameters of %d bits, %d hospitals, %d custodians: N = %d, log Q = %d, %d values a coefficient",
		r.Params, r.Bits, r.Hospitals, r.Custodians, r.RingDegree, r.LogQ, r.PerCoeff)
	ms := func(v float64) string { return fmt.Sprintf("%.2f ms", v) }
	out.pairs([][2]string{
		{"sent by a hospital", fmt.Sprintf("%.3f bytes a parameter, %.3f of float32", r.BytesPerParam, r.OfFloat32)},
		{"encrypt", ms(r.EncryptMS) + " per million parameters"},
		{"add", ms(r.AddMS)}, {"share", ms(r.ShareMS)}, {"open", ms(r.OpenMS)},
		{"plain float32", ms(r.PlainMS) + ", encode and copy"},
		{"wrong sums", fmt.Sprintf("%d of %d", r.WrongSums, r.Params)},
		{"peak memory", fmt.Sprintf("%.0f MB", r.PeakMB)},
		{"machine", r.Machine.words()},
	})
}
