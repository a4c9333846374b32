package opening

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"atrium/aggregation"
	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/models"
)

// deriving is a train round of ten hospitals whose C and share sums are stored, with its base.
type deriving struct {
	round  Round
	sends  []ShareSums
	bucket storage.Bucket
	params *he.Parameters
	base   models.Snapshot
	bytes  int // of C
}

func newDeriving(b *testing.B, parameters int) *deriving {
	b.Helper()
	const hospitals, custodians, threshold = 10, 10, 7
	plan := federation.Plan{V: 1, Name: "derive", Label: federation.Label{Name: "y"}, Features: []federation.Feature{{Name: "x", Max: 1}},
		Model:       federation.Model{Kind: federation.MLP, Hidden: []int{parameters / 3}},
		Aggregation: federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100, MinRecords: 10}}
	format := plan.Format(federation.Train)
	ring, err := Ring(format.Count(), hospitals, format.Bits)
	if err != nil {
		b.Fatal(err)
	}
	d := &deriving{}
	if d.params, err = Parameters(ring); err != nil {
		b.Fatal(err)
	}
	if d.bucket, err = local.Create(filepath.Join(b.TempDir(), "store")); err != nil {
		b.Fatal(err)
	}
	norm := aggregation.Normalisation{Mean: []float64{0}, SD: []float64{1}}
	if d.base, err = models.ForPlan(plan, models.InitialParameters(plan), norm); err != nil {
		b.Fatal(err)
	}
	d.round = Round{Plan: plan, Manifest: federation.Sum([]byte("manifest")), Submissions: map[federation.HospitalID]federation.Submission{},
		Header: federation.Header{V: 1, Round: 2, Kind: federation.Train, Version: 1, Ring: ring, Format: format}}
	d.round.Charter.Threshold = threshold
	for i := range custodians {
		d.round.Charter.Custodians = append(d.round.Charter.Custodians, federation.HospitalID(fmt.Sprintf("h-%03d", i)))
	}
	d.seal(b, hospitals)
	return d
}

// seal encrypts one vector once, for every hospital: what is measured does not depend on it.
func (d *deriving) seal(b *testing.B, hospitals int) {
	format := d.round.Header.Format
	values := make([]float64, format.Count())
	values[d.round.Plan.TrainTail()] = 50 // the weight
	fields := make([]uint32, len(values))
	if _, err := format.Quantise(fields, values, zeros{}); err != nil {
		b.Fatal(err)
	}
	key, err := d.params.NewKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	shares, err := shamir.Share(key.Coefficients(), d.round.Charter.Threshold, len(d.round.Charter.Custodians), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	list := List{V: 1}
	for _, s := range d.params.Segments(SegmentTarget) {
		from, to := d.params.Fields(s.First, s.Last)
		wire, err := d.params.EncryptBlocks(nil, s.First, s.Last, federation.PublicSeed(d.round.Manifest, 0), key, fields[from:to], rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		sum, err := d.params.NewSegmentSum(s.First, s.Last)
		if err != nil {
			b.Fatal(err)
		}
		for range hospitals {
			if err := sum.Add(wire); err != nil {
				b.Fatal(err)
			}
		}
		list.Segments = append(list.Segments, d.put(b, sum.Marshal()))
		d.bytes += len(wire)
	}
	d.round.Candidate = federation.Candidate{V: 1, Manifest: d.round.Manifest, Groups: [][]federation.Submitter{nil}, Sums: []federation.Digest{d.put(b, federation.Encode(list))}}
	for i := range hospitals {
		d.round.Candidate.Groups[0] = append(d.round.Candidate.Groups[0], federation.Submitter{Hospital: federation.HospitalID(fmt.Sprintf("h-%03d", i))})
	}
	for i := range d.round.Charter.Threshold {
		sum := make([]uint16, d.params.N())
		for range hospitals {
			if err := shamir.AddTo(sum, shares[i]); err != nil {
				b.Fatal(err)
			}
		}
		d.sends = append(d.sends, ShareSums{Custodian: d.round.Charter.Custodians[i], ByGroup: [][]uint16{sum}})
	}
}

func (d *deriving) put(b *testing.B, blob []byte) federation.Digest {
	digest, err := storage.PutBlob(b.Context(), d.bucket, blob)
	if err != nil {
		b.Fatal(err)
	}
	return digest
}

// derive is what a custodian does once C is in its store: open, apply the rule, name what comes
// out.
func (d *deriving) derive(b *testing.B) {
	sum, err := Open(b.Context(), d.bucket, d.round, d.sends)
	if err != nil {
		b.Fatal(err)
	}
	base := d.base
	base.Tensors = nil
	for _, t := range d.base.Tensors {
		t.F32 = append([]float32(nil), t.F32...)
		base.Tensors = append(base.Tensors, t)
	}
	out, err := Conclude(d.round, sum, base)
	if err != nil {
		b.Fatal(err)
	}
	models.Digest(*out.Snapshot)
}

// decode is what a hospital does with a version that it fetches: hash it while it arrives, decode
// it, and name its parameters.
func (d *deriving) decode(b *testing.B, encoded []byte) {
	sha256.Sum256(encoded)
	s, _, _, err := models.DecodeForPlan(d.round.Plan, bytes.NewReader(encoded), nil)
	if err != nil {
		b.Fatal(err)
	}
	models.ParametersDigest(s)
}

// BenchmarkDerive times deriving a version beside decoding a fetched one, in turn in one run,
// and prints the bytes of C beside those of the version.
func BenchmarkDerive(b *testing.B) {
	for _, parameters := range []int{1_000_000, 25_000_000} {
		b.Run(fmt.Sprintf("parameters=%d", parameters), func(b *testing.B) {
			d := newDeriving(b, parameters)
			encoded := models.Encode(d.base)
			var deriving, decoding time.Duration
			for b.Loop() {
				at := time.Now()
				d.derive(b)
				deriving += time.Since(at)
				at = time.Now()
				d.decode(b, encoded)
				decoding += time.Since(at)
			}
			b.ReportMetric(deriving.Seconds()/float64(b.N), "derive-s")
			b.ReportMetric(decoding.Seconds()/float64(b.N), "decode-s")
			b.ReportMetric(deriving.Seconds()/decoding.Seconds(), "ratio")
			b.ReportMetric(float64(d.bytes)/float64(parameters), "C-bytes/param")
			b.ReportMetric(float64(len(encoded))/float64(parameters), "version-bytes/param")
		})
	}
}

// zeros rounds nothing up.
type zeros struct{}

func (zeros) Uint64() uint64 { return 0 }
