package rpc_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"atrium/client/audit"
	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// attack is what a hospital does with its update of one train round.
type attack struct {
	name    string
	do      func(context.Context, *puppet, *atriumpb.Work) error
	refused string   // what the coordinator answers; the hospital then declines
	lost    bool     // its group is not in the sum
	show    []string // what the log says of the round
}

func told(l lies) func(context.Context, *puppet, *atriumpb.Work) error {
	return func(ctx context.Context, p *puppet, w *atriumpb.Work) error { return p.lie(ctx, w, l) }
}

// hospitalAttacks are those of the last of 7 hospitals in groups of 4 and 3: m = 7, t = 5,
// f = 2, K = 3. Its group cannot do without it.
func hospitalAttacks() []attack {
	garbage := func(custodians ...int) func([][]uint16) {
		return func(shares [][]uint16) {
			for _, i := range custodians {
				random(shares[i])
			}
		}
	}
	ones := func(from, to int) func([][]byte) {
		return func(segments [][]byte) {
			for i := from; i < to; i++ {
				segments[0][i] = 0xff
			}
		}
	}
	var old []byte
	tooSmall := "left out: too few submitters"
	return []attack{
		{name: "none: what it signs and sends is honest", do: func(ctx context.Context, p *puppet, w *atriumpb.Work) error {
			f, err := p.forge(ctx, w, lies{})
			if err != nil {
				return err
			}
			old = f.signed
			return p.upload(ctx, f)
		}},
		{name: "bytes that are not those of the digest", lost: true,
			do:      told(lies{chunk: func(_ int, c *atriumpb.SegmentChunk) { c.Data = flip(c.Data) }}),
			refused: "InvalidArgument: segment 0 of %s: content is not what was signed", show: []string{tooSmall}},
		{name: "a root that its segments do not have", lost: true,
			do: func(ctx context.Context, p *puppet, w *atriumpb.Work) error {
				return p.lie(ctx, w, lies{submission: func(s *federation.Submission) { s.Segments[0] = federation.Sum([]byte("others")) },
					chunk: func(_ int, c *atriumpb.SegmentChunk) { d := federation.Sum(c.Data); c.Digest = d[:] }})
			},
			refused: "InvalidArgument: update of %s: segment 0: content is not what was signed", show: []string{tooSmall}},
		{name: "nothing uploaded but the signature", lost: true, do: told(lies{skip: true}),
			refused: "InvalidArgument: update of %s: segment 0: content is not what was signed", show: []string{tooSmall}},
		{name: "a segment that is too long", lost: true,
			do:      told(lies{chunk: func(_ int, c *atriumpb.SegmentChunk) { c.Data = append(bytes.Clone(c.Data), 0) }}),
			refused: "InvalidArgument: segment 0 is longer than the", show: []string{tooSmall}},
		{name: "a segment that says it is longer", lost: true,
			do:      told(lies{chunk: func(_ int, c *atriumpb.SegmentChunk) { c.Size++ }}),
			refused: "the header implies", show: []string{tooSmall}},
		{name: "a segment that is too short", lost: true,
			do:      told(lies{chunk: func(_ int, c *atriumpb.SegmentChunk) { c.Data = c.Data[:len(c.Data)-1] }}),
			refused: "the header implies", show: []string{tooSmall}},
		{name: "a residue that is not below its prime", lost: true, do: told(lies{cipher: ones(1, 9)}),
			refused: "residue is not below", show: []string{tooSmall}},
		{name: "a ciphertext of another version", lost: true, do: told(lies{cipher: ones(0, 1)}),
			refused: "version 255, want 1: invalid ciphertext encoding", show: []string{tooSmall}},
		{name: "two different submissions", do: func(ctx context.Context, p *puppet, w *atriumpb.Work) error {
			second, err := p.forge(ctx, w, lies{skip: true})
			if err != nil {
				return err
			}
			if err := p.lie(ctx, w, lies{}); err != nil {
				return err
			}
			p.refused("a second update", p.upload(ctx, second))
			return nil
		}, show: []string{"refused", "other bytes were accepted before"}},
		{name: "the signed submission of another round", lost: true,
			do:      told(lies{send: func(r *atriumpb.SubmitRequest) { r.Signed = old }}),
			refused: "FailedPrecondition: update of %s: of another round", show: []string{tooSmall}},
		{name: "a submission in the name of another", lost: true, do: func(ctx context.Context, p *puppet, w *atriumpb.Work) error {
			return p.lie(ctx, w, lies{submission: func(s *federation.Submission) { s.Hospital = p.w.charter.Groups[1][otherThan(p)] }})
		}, refused: "Unauthenticated: ", show: []string{tooSmall}},
		{name: "a submission for the other group", lost: true, do: told(lies{submission: func(s *federation.Submission) { s.Group = 0 }}),
			refused: "InvalidArgument: submission of %s: message refused: it is not in the cohort of group 0", show: []string{tooSmall}},
		{name: "no envelope for a custodian", lost: true, do: told(lies{sealed: func(e [][]byte) { e[2] = nil }}),
			refused: "message refused: envelope for", show: []string{tooSmall}},
		{name: "an envelope that is too long", lost: true,
			do:      told(lies{sealed: func(e [][]byte) { e[0] = make([]byte, envelope.MaxSealed+1) }}),
			refused: "ResourceExhausted: update of %s: envelope 0: size or number is out of bounds", show: []string{tooSmall}},
		{name: "an envelope that is not the signed one", lost: true,
			do:      told(lies{send: func(r *atriumpb.SubmitRequest) { r.Envelopes[3] = flip(r.Envelopes[3]) }}),
			refused: "InvalidArgument: update of %s: envelope 3: content is not what was signed", show: []string{tooSmall}},
		{name: "shares for one custodian that do not fit", do: told(lies{shares: garbage(0)}),
			show: []string{"group 1       3 hospitals in the sum"}},
		{name: "shares for three custodians that do not fit", lost: true, do: told(lies{shares: garbage(0, 2, 4)}),
			show: []string{"group 1       left out: recover from 7 answers, threshold 5: no consistent subset of answers"}},
		{name: "a polynomial of higher degree", lost: true, do: told(lies{threshold: 7}),
			show: []string{"group 1       left out: recover from 7 answers, threshold 5: no consistent subset of answers"}},
		{name: "envelopes that nobody can read", lost: true, do: told(lies{sealed: func(e [][]byte) {
			for i := range e {
				e[i] = flip(e[i])
			}
		}}), show: []string{"dropped", "custodians could not read it, or it did not vouch", tooSmall}},
		{name: "shares that are no field elements", lost: true,
			do:   told(lies{plain: func(_ int, share []byte) []byte { return bytes.Repeat([]byte{0xff}, len(share)) }}),
			show: []string{"dropped", tooSmall}},
		{name: "shares of another length", lost: true, do: told(lies{plain: func(_ int, share []byte) []byte { return share[:33] }}),
			show: []string{"dropped", tooSmall}},
		{name: "envelopes that f custodians cannot read", do: told(lies{sealed: func(e [][]byte) { e[1], e[2] = flip(e[1]), flip(e[2]) }}),
			show: []string{"complained", "could not read a submitter", "group 1       3 hospitals in the sum"}},
		{name: "three envelopes exchanged", lost: true, do: told(lies{sealed: func(e [][]byte) { e[0], e[1], e[2] = e[1], e[2], e[0] }}),
			show: []string{"dropped", tooSmall}},
		{name: "values outside the range", lost: true, do: told(lies{copies: 3, fields: func(f []uint32) { // 3·60,000 and two of about 2^15 are above 3·(2^16−1)
			for i := range f {
				f[i] = 60_000
			}
		}}), show: []string{"group 1       left out: open: coefficient 0, field 0: field out of range"}},
		{name: "a sum of encryptions beyond the clip", lost: true, do: told(lies{copies: 2, fields: func(f []uint32) { f[0] = 50_000 }}),
			show: []string{"group 1       left out: gate mean: a coordinate of model/weight is "}},
		{name: "a band where weights are records", lost: true, do: told(lies{submission: func(s *federation.Submission) { s.Band = 64 }}),
			refused: "submission of %s: message refused: band 64, want none"},
		{name: "a ciphertext under another seed", lost: true, do: told(lies{seed: func(s [32]byte) [32]byte { s[0] ^= 1; return s }}),
			show: []string{"group 1       left out: open: coefficient", "noise out of range"}},
		{name: "a ciphertext of random residues", lost: true, do: told(lies{cipher: func(segments [][]byte) {
			for i := 1; i < len(segments[0]); i += 5 { // below every prime, far from any encryption
				segments[0][i] = 0
			}
		}}), show: []string{"group 1       left out: open: coefficient"}},
	}
}

// flip changes the last byte of a copy.
func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

func otherThan(p *puppet) int {
	return slices.IndexFunc(p.w.charter.Groups[1], func(id federation.HospitalID) bool { return id != p.id })
}

// TestLyingHospital: one train round an attack. Only the hospital's own group is lost, the
// other is published, and the log says which and why.
func TestLyingHospital(t *testing.T) {
	t.Parallel()
	attacks := hospitalAttacks()
	w := newWorldOf(t, 7, 2, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = len(attacks), 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:6] {
		defer w.hospital(name)()
	}
	evil := w.puppet(w.names[6])
	var mu sync.Mutex
	answers := map[int]string{}
	evil.script = func(work *atriumpb.Work) func(context.Context, *atriumpb.Work) error {
		i := int(work.GetRound()) - 2
		if work.GetKind() != "update" || i < 0 {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error {
			before := len(evil.told())
			err := attacks[i].do(ctx, evil, work)
			if attacks[i].refused != "" {
				evil.refused("update", err)
				err = evil.decline(ctx, work, federation.RoleUpdate, "caught")
			}
			mu.Lock()
			answers[i] = strings.Join(evil.told()[before:], "\n")
			mu.Unlock()
			return err
		}
	}
	defer evil.start()()
	s := w.until(c, "the plan's end", finished)
	if s.Trained != len(attacks) || s.Round != uint64(len(attacks)+1) {
		t.Errorf("%d train rounds in %d rounds: want %d, one an attack", s.Trained, s.Round, len(attacks))
	}
	for i, a := range attacks {
		mu.Lock()
		answer := answers[i]
		mu.Unlock()
		w.judge(c, evil, i+2, a, answer)
	}
	w.audited(c)
}

// judge compares what became of an attack with what should.
func (w *world) judge(c *coordinator.Coordinator, evil *puppet, number int, a attack, answer string) {
	w.t.Helper()
	want := a.refused
	if strings.Contains(want, "%s") {
		want = fmt.Sprintf(want, evil.id)
	}
	if !strings.Contains(answer, want) || (want == "") != (answer == "") && !strings.Contains(a.name, "two different") {
		w.t.Errorf("%s: the coordinator said %q, want %q", a.name, answer, want)
	}
	h, err := audit.Show(w.t.Context(), c.Bucket(), uint64(number), audit.Options{})
	w.must(err)
	text := strings.Join(h.Text(), "\n")
	story := h.Events[0].Round
	if story.Result == nil {
		w.t.Errorf("%s: the round published nothing:\n%s", a.name, text)
		return
	}
	groups := story.Result.Groups
	if groups[0].Reason != "" || groups[0].Submitters != 4 || (groups[1].Reason != "") != a.lost {
		w.t.Errorf("%s: groups %+v, want the first whole and the second lost: %v", a.name, groups, a.lost)
	}
	for _, words := range a.show {
		if !strings.Contains(text, words) {
			w.t.Errorf("%s: the log does not say %q:\n%s", a.name, words, text)
		}
	}
	if refusal := strings.Contains(text, "\n  refused"); refusal != (answer != "" && !strings.Contains(answer, "another round")) {
		w.t.Errorf("%s: the log tells of a refusal: %v, the coordinator said %q", a.name, refusal, answer)
	}
	w.t.Logf("| %s | %s | %s |", a.name, answer, groups[1].Reason)
}

// audited verifies and replays the whole log.
func (w *world) audited(c *coordinator.Coordinator) audit.ReplayReport {
	w.t.Helper()
	pin := audit.Options{Charter: w.charter.Digest()}
	if _, err := audit.Verify(w.t.Context(), c.Bucket(), pin); err != nil {
		w.t.Errorf("verify: %v", err)
	}
	report, err := audit.Replay(w.t.Context(), c.Bucket(), pin)
	if err != nil {
		w.t.Errorf("replay: %v", err)
	}
	attested, err := audit.Replay(w.t.Context(), retired{c.Bucket()}, pin)
	if err != nil {
		w.t.Errorf("replay without ciphertexts: %v", err)
	}
	for i, v := range report.Versions {
		if v.Status != audit.Rederived {
			w.t.Errorf("version %d is %s", v.Number, v.Status)
		}
		if i >= len(attested.Versions) || attested.Versions[i].Status != audit.Missing { // they did not expire, whatever the sum gives
			w.t.Errorf("version %d is not missed without ciphertexts: %+v", v.Number, attested.Versions)
		}
	}
	return report
}

// retired is a store whose ciphertexts are gone.
type retired struct{ storage.Bucket }

func (r retired) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if strings.HasPrefix(name, storage.RoundsFolder) {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	return r.Bucket.Get(ctx, name, offset, length)
}
