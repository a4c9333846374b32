package client

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"atrium/aggregation/fixedpoint"
)

// TestContributionInPieces: any piece of a contribution quantises to what the whole does.
func TestContributionInPieces(t *testing.T) {
	const n = 3*stepFields + 17
	c := contribution{delta: make([]float32, n), share: 0.37, clip: 0.5, values: []float64{12, 3}}
	format := fixedpoint.Format{Bits: 16, Segments: []fixedpoint.Segment{{Name: "model", Count: n, Encoding: fixedpoint.Signed, Clip: 0.5},
		{Name: "weight", Count: 2, Encoding: fixedpoint.Count}}}
	whole := make([]float64, 0, n+2)
	saturated := 0
	for i := range c.delta {
		c.delta[i] = float32(math.Sin(float64(i)))
		x := float64(c.delta[i])
		if math.Abs(x) > c.clip {
			saturated++
		}
		whole = append(whole, c.share*max(-c.clip, min(c.clip, x)))
	}
	whole = append(whole, 12, 3)
	want := make([]uint32, n+2)
	if _, err := format.Quantise(want, whole, fixedpoint.NewRounding([32]byte{5})); err != nil {
		t.Fatal(err)
	}
	if got, err := c.saturated(); err != nil || got != saturated {
		t.Errorf("%d of them meet the clip, %v; want %d", got, err, saturated)
	}
	rounding := fixedpoint.NewRounding([32]byte{5})
	var got, piece []uint32
	var err error
	for from := 0; from < n+2; from += 10_001 {
		if piece, err = quantise(piece, format, c, from, min(from+10_001, n+2), rounding); err != nil {
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
		below := float32(clip)
		if float64(below) > clip {
			below = math.Nextafter32(below, 0)
		}
		above := math.Nextafter32(below, float32(math.Inf(1)))
		c := contribution{delta: []float32{below, -below, above, -above, 0, float32(math.Copysign(0, -1))}, clip: clip}
		want := 0
		for _, v := range c.delta {
			if math.Abs(float64(v)) > clip {
				want++
			}
		}
		if n, err := c.saturated(); err != nil || n != want || n != 2 {
			t.Errorf("clip %v: %d, %v; want %d", clip, n, err, want)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		c := contribution{delta: []float32{0, float32(bad)}, clip: 1}
		if _, err := c.saturated(); !errors.Is(err, fixedpoint.ErrNotFinite) {
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
