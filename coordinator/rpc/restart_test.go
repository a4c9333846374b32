package rpc_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/client/audit"
	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// TestRestartedCustodianSendsAgain: three custodians, all must send. The share sums of
// one do not come through until it restarted; then it sends the same bytes, for which it
// no longer has the key.
func TestRestartedCustodianSendsAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	slow := w.names[1]
	var mu sync.Mutex
	var tried [][]byte
	lost, open := make(chan struct{}, 1), false
	w.between = func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		a, ok := req.(*atriumpb.SharesRequest)
		if !ok {
			return next(ctx, req)
		}
		signed, err := federation.DecodeSigned(a.GetSigned())
		if err != nil || signed.Signer != w.id(slow) {
			return next(ctx, req)
		}
		mu.Lock()
		tried = append(tried, a.GetSigned())
		through := open
		mu.Unlock()
		if !through {
			select {
			case lost <- struct{}{}:
			default:
			}
			return nil, status.Error(codes.Unavailable, "the network is down")
		}
		return next(ctx, req)
	}
	c, stop := w.coordinator()
	defer stop()
	defer w.hospital(w.names[0])()
	defer w.hospital(w.names[2])()
	halt := w.hospital(slow)
	<-lost
	halt()
	mu.Lock()
	open = true
	mu.Unlock()
	defer w.hospital(slow)()
	s := w.until(c, "the plan's end", finished)
	if s.Round != 2 {
		t.Errorf("%d rounds: want 2, none abandoned", s.Round)
	}
	mu.Lock()
	defer mu.Unlock()
	first := 0
	for i, a := range tried {
		if !bytes.Equal(a, tried[0]) {
			first = i
			break
		}
	}
	if first == 0 { // round 1 only
		t.Fatalf("%d sends, all the same", len(tried))
	}
	if first < 2 {
		t.Errorf("round 1 was sent for %d times: want once before and once after the restart", first)
	}
	w.audited(c)
}

// TestTrainingThatIsNotFinite: where training gives NaN or an infinity nothing is
// encrypted; the hospital says so, the log too, and the round ends at once.
func TestTrainingThatIsNotFinite(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Local.LearningRate, p.Local.Steps = 1, 1000, 50
		p.Local.ProxMu = 1000 // each step overshoots a million times
	})
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	w.until(c, "an abandoned round", func(s coordinator.Status) bool { return s.Round >= 2 && s.Phase == round.Abandoned || s.Round > 2 })
	w.says(c, 2, "declined", "as update: \"the update was not finite\"", "abandoned")
	if _, err := audit.Verify(t.Context(), c.Bucket(), audit.Options{}); err != nil {
		t.Error(err)
	}
}

// TestRequestsOutOfBounds: what a hospital asks for is bounded, and refused with its reason.
func TestRequestsOutOfBounds(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	c, stop := w.coordinator()
	defer stop()
	p := w.puppet(w.names[0])
	ctx := t.Context()
	w.until(c, "a round", func(s coordinator.Status) bool { return s.Phase == round.Gathering })
	var work *atriumpb.Work
	d := p.incarnation[:]
	poll := func(change func(*atriumpb.PollRequest)) error {
		req := &atriumpb.PollRequest{Federation: "cardiology", Incarnation: d}
		change(req)
		var err error
		work, err = p.api.Poll(ctx, req)
		return err
	}
	w.must(poll(func(*atriumpb.PollRequest) {}))
	task := work
	join := func(change func(*federation.Join)) error {
		j, err := p.signJoin(task)
		w.must(err)
		change(&j)
		return p.send(ctx, "join", signed(p, j))
	}
	put := func(change func(*atriumpb.SegmentChunk)) error {
		h := federation.Sum(task.GetHeader())
		chunk := &atriumpb.SegmentChunk{Federation: "cardiology", Header: h[:], UpdateRoot: d, Digest: d}
		change(chunk)
		return p.put(ctx, chunk)
	}
	fetch := func(digest []byte, offset int64) error {
		stream, err := p.api.Fetch(ctx, &atriumpb.FetchRequest{Federation: "cardiology", Digest: digest, Offset: offset})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	last := federation.Join{}
	for _, tc := range []struct {
		name string
		err  error
		code codes.Code
		says string
	}{
		{"another federation", poll(func(r *atriumpb.PollRequest) { r.Federation = "oncology" }), codes.NotFound, `federation "oncology" is not served here`},
		{"a log of the future", poll(func(r *atriumpb.PollRequest) { r.SeenSize = 1 << 50 }), codes.OutOfRange, "the hospital saw a longer log"},
		{"a negative log", poll(func(r *atriumpb.PollRequest) { r.SeenSize = -1 }), codes.InvalidArgument, "poll is malformed"},
		{"many tasks", poll(func(r *atriumpb.PollRequest) { r.Skip = make([]string, 65) }), codes.InvalidArgument, "poll is malformed"},
		{"a long task", poll(func(r *atriumpb.PollRequest) { r.Skip = []string{strings.Repeat("x", 257)} }), codes.InvalidArgument, "poll is malformed"},
		{"a short incarnation", poll(func(r *atriumpb.PollRequest) { r.Incarnation = d[:31] }), codes.InvalidArgument, "poll is malformed"},
		{"a message of no kind", p.send(ctx, "answer", nil), codes.InvalidArgument, `message of kind "answer"`},
		{"an empty message", p.send(ctx, "join", nil), codes.InvalidArgument, "content is not what was signed"},
		{"a message that is too long", p.send(ctx, "join", make([]byte, federation.MaxMessageBytes+1)), codes.InvalidArgument, "at most 65536 allowed"},
		{"a join of another header", join(func(j *federation.Join) { j.Header = federation.Sum(d) }), codes.FailedPrecondition, "of another round"},
		{"a join with another's cosignature", join(func(j *federation.Join) { j.Cosignature = strings.ToUpper(j.Cosignature) }), codes.InvalidArgument, "content is not what was signed"},
		{"a join without a key", join(func(j *federation.Join) { j.Key = nil }), codes.InvalidArgument, "a custodian brings a key, no one else does"},
		{"a join with half a key", join(func(j *federation.Join) { j.Key = j.Key[:600] }), codes.InvalidArgument, "content is not what was signed"},
		{"a join in another's name", join(func(j *federation.Join) { j.Hospital = w.id(w.names[1]) }), codes.Unauthenticated, "signature does not verify"},
		{"a join of the last number", join(func(j *federation.Join) { j.Counter = 1 << 62; last = *j }), codes.OK, ""},
		{"a join after the last number", join(func(*federation.Join) {}), codes.DataLoss, "the hospital's journal is older than what it signed"},
		{"the same join again", p.send(ctx, "join", signed(p, last)), codes.OK, ""},
		{"a segment too early", put(func(*atriumpb.SegmentChunk) {}), codes.FailedPrecondition, "round 1 is gathering: not in this phase"},
		{"a segment without a root", put(func(c *atriumpb.SegmentChunk) { c.UpdateRoot = nil }), codes.InvalidArgument, "digest of 0 bytes"},
		{"an object from before its beginning", fetch(d, -1), codes.InvalidArgument, "fetch from offset -1"},
		{"an object that is not there", fetch(d, 0), codes.NotFound, "not found"},
		{"an object by half a name", fetch(d[:16], 0), codes.InvalidArgument, "digest of 16 bytes"},
	} {
		if got := status.Convert(tc.err); got.Code() != tc.code || !strings.Contains(got.Message(), tc.says) {
			t.Errorf("%s: %s: %q, want %s: %q", tc.name, got.Code(), got.Message(), tc.code, tc.says)
		} else {
			t.Logf("| %s | %s: %s |", tc.name, got.Code(), got.Message())
		}
	}
}
