package client

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// TestContributionInPieces: any piece of a contribution quantises to what the whole does.
func TestContributionInPieces(t *testing.T) {
	const n = 3*stepFields + 17
	const all = n + n/2 + 2
	c := contribution{vectors: []vector{{change: make([]float32, n), share: 0.37, scale: 1, clip: 0.5},
		{change: make([]float32, n/2), share: 0.5, scale: 7, clip: 4}}, values: []float64{12, 3}}
	format := fixedpoint.Format{Bits: 16, Segments: []fixedpoint.Segment{{Name: "model", Count: n, Encoding: fixedpoint.Signed, Clip: 0.5},
		{Name: "control", Count: n / 2, Encoding: fixedpoint.Signed, Clip: 4}, {Name: "weight", Count: 2, Encoding: fixedpoint.Count}}}
	whole := make([]float64, 0, all)
	saturated := make([]int, 2)
	for j, v := range c.vectors {
		for i := range v.change {
			v.change[i] = float32(math.Sin(float64(i)))
			x := v.scale * float64(v.change[i])
			if math.Abs(x) > v.clip {
				saturated[j]++
			}
			whole = append(whole, v.share*max(-v.clip, min(v.clip, x)))
		}
	}
	whole = append(whole, 12, 3)
	want := make([]uint32, all)
	if c.count() != all {
		t.Errorf("%d values, want %d", c.count(), all)
	}
	if _, err := format.Quantise(want, whole, fixedpoint.NewRounding([32]byte{5})); err != nil {
		t.Fatal(err)
	}
	if got, err := c.saturated(2); err != nil || !slices.Equal(got, saturated) {
		t.Errorf("%d of them meet the clip, %v; want %d", got, err, saturated)
	}
	rounding := fixedpoint.NewRounding([32]byte{5})
	var got, piece []uint32
	var err error
	for from := 0; from < all; from += 10_001 {
		if piece, err = quantise(piece, format, c, from, min(from+10_001, all), rounding); err != nil {
			t.Fatal(err)
		}
		got = append(got, piece...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-whole +pieces):\n%s", diff)
	}
}

func TestSaturatedAtTheEdge(t *testing.T) {
	for _, clip := range []float64{1, 0.1, 1e6, 3e-30} { // 0.1 lies between two floats
		for _, scale := range []float64{1, 3, 0.7, 40, 1e-9} {
			below := float32(clip / scale)
			for scale*float64(below) > clip {
				below = math.Nextafter32(below, 0)
			}
			for scale*float64(math.Nextafter32(below, float32(math.Inf(1)))) <= clip {
				below = math.Nextafter32(below, float32(math.Inf(1)))
			}
			above := math.Nextafter32(below, float32(math.Inf(1)))
			v := vector{change: []float32{below, -below, above, -above, 0, float32(math.Copysign(0, -1))}, scale: scale, clip: clip}
			if n, err := v.saturated(); err != nil || n != 2 {
				t.Errorf("clip %v, scale %v: %d, %v; want 2", clip, scale, n, err)
			}
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		v := vector{change: []float32{0, float32(bad)}, scale: 1, clip: 1}
		if _, err := v.saturated(); !errors.Is(err, fixedpoint.ErrNotFinite) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	told, err := status.New(codes.ResourceExhausted, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	long, err := status.New(codes.ResourceExhausted, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(1000 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		wait time.Duration
		ok   bool
	}{
		{told.Err(), 3 * time.Second, true}, {long.Err(), maxRetryAfter, true},
		{status.Error(codes.ResourceExhausted, "out of bounds"), 0, false}, {status.Error(codes.Unavailable, "gone"), 0, false}, {nil, 0, false},
	} {
		if wait, ok := retryAfter(c.err); wait != c.wait || ok != c.ok {
			t.Errorf("%v: %v, %v", c.err, wait, ok)
		}
	}
}

// TestCheckOwn: a hospital whose numbers are broken declines with the gate's name, in each kind
// of round, before anything is encrypted.
func TestCheckOwn(t *testing.T) {
	plan := plans.Cardiology()
	plan.Features[0].Missing = federation.MissingReject
	honest := map[federation.RoundKind][]float64{federation.Evaluate: make([]float64, 4+2*federation.HistogramBins)}
	for range plan.Features {
		honest[federation.Statistics] = append(honest[federation.Statistics], 100, 40, 20)
	}
	honest[federation.Train] = append(make([]float64, plan.TrainTail()), 100)
	honest[federation.Train] = append(honest[federation.Train], make([]float64, len(plan.Shared()))...)
	honest[federation.Evaluate][2], honest[federation.Evaluate][4+federation.HistogramBins] = 40, 40
	for _, c := range []struct {
		kind  federation.RoundKind
		index int
		value float64
		gate  string // empty: it holds
	}{
		{federation.Train, 0, 0.09, ""},
		{federation.Train, 0, 0.1, aggregation.GateMean}, // its weight allows 100/1024 of the clip
		{federation.Train, plan.TrainTail(), 9, aggregation.GateWeight},
		{federation.Train, plan.TrainTail() + 1, 1000, aggregation.GateSaturated},
		{federation.Statistics, 0, 9, aggregation.GateMoments},
		{federation.Statistics, 4, 120, aggregation.GateMoments},
		{federation.Statistics, 5, 10, aggregation.GateMoments},
		{federation.Evaluate, 2, 41, aggregation.GateScores},
		{federation.Evaluate, 700, 1, aggregation.GateScores},
	} {
		values := slices.Clone(honest[c.kind])
		header := federation.Header{Kind: c.kind, Format: plan.Format(c.kind)}
		if err := checkOwn(plan, header, 100, contribution{values: values}); err != nil {
			t.Errorf("%s: an honest vector: %v", c.kind, err)
		}
		values[c.index] = c.value
		err := checkOwn(plan, header, 100, contribution{values: values})
		d := &Daemon{}
		reason, declines := d.reason(err)
		if c.gate == "" && err != nil || c.gate != "" && (!declines || reason != "gate "+c.gate) {
			t.Errorf("%s, value %d is %v: %v: %q, want gate %q", c.kind, c.index, c.value, err, reason, c.gate)
		}
	}
	values := slices.Clone(honest[federation.Train])
	values[3] = math.NaN()
	if err := checkOwn(plan, federation.Header{Kind: federation.Train, Format: plan.Format(federation.Train)}, 100, contribution{values: values}); !errors.Is(err, fixedpoint.ErrNotFinite) {
		t.Errorf("not a number: %v", err)
	}
}

// TestCountedStepsAreThoseOfTheCap: with fednova a hospital of many records takes the steps of
// weight_cap, so that no honest effort fails its gate; with other rules it takes all.
func TestCountedStepsAreThoseOfTheCap(t *testing.T) {
	plan := plans.Cardiology()
	plan.Local.Steps, plan.Local.Epochs, plan.Local.Batch, plan.Privacy.WeightCap = 0, 2, 10, 100
	job := training{plan: plan, records: &dataset.Table{Rows: 305}}
	if l, steps := job.local(); steps != 62 || l.Epochs != 2 {
		t.Errorf("fedavg: %d steps, %+v", steps, l)
	}
	job.plan.Aggregation, _ = planfile.Rule(federation.FedNova)
	if l, steps := job.local(); steps != 20 || l.Steps != 20 || l.Epochs != 0 {
		t.Errorf("fednova: %d steps, %+v", steps, l)
	}
	job.steps = 7
	if l, steps := job.local(); steps != 7 || l.Steps != 7 {
		t.Errorf("partial work: %d steps, %+v", steps, l)
	}
	job.steps, job.records = 0, &dataset.Table{Rows: 95}
	if l, steps := job.local(); steps != 20 || l.Epochs != 2 {
		t.Errorf("few records: %d steps, %+v", steps, l)
	}
}
