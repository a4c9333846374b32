package opening_test

import (
	"bytes"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// FuzzDecodeResult: what decodes encodes to the same bytes.
func FuzzDecodeResult(f *testing.F) {
	d, auc := federation.Sum([]byte("x")), 0.75
	for _, r := range []opening.Result{
		{V: 1, Round: 1, Kind: federation.Statistics, Manifest: d, Submitters: 3, Statistics: &opening.StatisticsResult{Records: []float64{1, 2.5}},
			Groups: []opening.GroupResult{{Group: 0, Submitters: 3}, {Group: 1, Reason: "noise <out> of range"}}},
		{V: 1, Round: 2, Kind: federation.Train, Manifest: d, Train: &opening.TrainResult{Weight: 1e-7}},
		{V: 1, Round: 2, Kind: federation.Train, Manifest: d, Train: &opening.TrainResult{Weight: 3, Effort: 10.5, GroupWeights: []float64{0.5, 0, 0.5}}},
		{V: 1, Round: 3, Kind: federation.Evaluate, Manifest: d, Evaluation: &opening.Evaluation{TP: 1, AUC: &auc}},
		{V: 1, Round: 3, Kind: federation.Evaluate, Manifest: d, Evaluation: &opening.Evaluation{}}, {},
	} {
		f.Add(federation.Encode(r))
	}
	f.Add([]byte(`{"v":1,"round":1e0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := opening.DecodeResult(b)
		if err != nil {
			return
		}
		if again := federation.Encode(r); !bytes.Equal(again, b) {
			t.Errorf("%q decodes and encodes to %q", b, again)
		}
	})
}

// FuzzDecodeList: what decodes encodes to the same bytes.
func FuzzDecodeList(f *testing.F) {
	d := federation.Sum([]byte("x"))
	f.Add(federation.Encode(opening.List{V: 1, Segments: []federation.Digest{d, d}}))
	f.Add(federation.Encode(opening.List{V: 1}))
	f.Add(federation.Encode(opening.List{V: 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := opening.DecodeList(b)
		if err != nil {
			return
		}
		if again := federation.Encode(l); !bytes.Equal(again, b) {
			t.Errorf("%q decodes and encodes to %q", b, again)
		}
	})
}
