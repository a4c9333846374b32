package rpc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/client/audit"
	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/shamir"
)

// act is what a puppet does about a task instead of the honest thing.
type act = func(context.Context, *atriumpb.Work) error

func later(context.Context, *atriumpb.Work) error { return errLater }

// noise is a share sum that is anything.
func noise(_ *federation.Send, sums [][]byte) {
	sum := make([]uint16, (len(sums[0])-1)/2)
	random(sum)
	sums[0] = shamir.Marshal(sum)
}

// offByOne changes one element of a share sum by one: what is interpolated from it may
// well be within the bound of a sum of keys, and then only the noise gives it away.
func offByOne(group int) func(*federation.Send, [][]byte) {
	return func(_ *federation.Send, sums [][]byte) {
		v := (uint32(binary.LittleEndian.Uint16(sums[group][1:])) + 1) % shamir.P
		binary.LittleEndian.PutUint16(sums[group][1:], uint16(v))
	}
}

// show returns what the log says of a round.
func (w *world) show(c *coordinator.Coordinator, number uint64) (string, *audit.Story) {
	w.t.Helper()
	h, err := audit.Show(w.t.Context(), c.Bucket(), number, audit.Options{})
	w.must(err)
	return strings.Join(h.Text(), "\n"), h.Events[0].Round
}

// says reports words that the log of a round lacks.
func (w *world) says(c *coordinator.Coordinator, number uint64, words ...string) {
	w.t.Helper()
	text, _ := w.show(c, number)
	for _, want := range words {
		if !strings.Contains(text, want) {
			w.t.Errorf("round %d: the log does not say %q:\n%s", number, want, text)
		}
	}
}

// warned waits for a line of the coordinator's own log.
func (w *world) warned(words string) string {
	w.t.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		select {
		case line := <-w.logs.lines:
			if strings.Contains(line, words) {
				return line
			}
		case <-timeout.C:
			w.t.Fatalf("the coordinator did not say %q", words)
		}
	}
}

// TestLyingCustodian: four custodians, three must answer, one lies; one lie a round.
func TestLyingCustodian(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 5, 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:2] {
		defer w.hospital(name)()
	}
	honest, evil := w.puppet(w.names[2]), w.puppet(w.names[3])
	waits := make(chan struct{})    // closed once three answers were not enough
	abused := make(chan struct{})   // closed once everything was tried
	prepared := make(chan struct{}) // closed once the late answer is there
	var once sync.Once
	var lateAnswer *atriumpb.AnswerRequest
	honest.script = func(work *atriumpb.Work) act {
		until := map[uint64]chan struct{}{2: waits, 5: prepared, 6: abused}[work.GetRound()]
		if until == nil || work.GetKind() != "answer" {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error {
			select {
			case <-until:
			case <-ctx.Done():
			}
			return honest.answer(ctx, work)
		}
	}
	evil.script = func(work *atriumpb.Work) act {
		switch kind := work.GetKind(); {
		case work.GetRound() == 2 && kind == "answer": // one of exactly three
			return func(ctx context.Context, work *atriumpb.Work) error { return evil.answerWith(ctx, work, noise) }
		case work.GetRound() == 3 && kind == "acknowledge":
			return func(ctx context.Context, work *atriumpb.Work) error {
				all := append([]federation.HospitalID{}, w.charter.Groups[0]...)
				return evil.complain(ctx, work, all)
			}
		case work.GetRound() == 4 && kind == "answer":
			return later
		case work.GetRound() == 5 && kind == "answer": // too late: see the join of round 6
			return func(ctx context.Context, work *atriumpb.Work) (err error) {
				lateAnswer, err = evil.answerRequest(work, func(*federation.Send, [][]byte) {})
				once.Do(func() { close(prepared) })
				return errors.Join(err, errLater)
			}
		case work.GetRound() == 6 && kind == "join" && lateAnswer != nil:
			return func(ctx context.Context, work *atriumpb.Work) error {
				_, err := evil.api.SendAnswer(ctx, lateAnswer)
				evil.refused("late answer", err)
				return evil.join(ctx, work)
			}
		case work.GetRound() == 6 && kind == "answer":
			return func(ctx context.Context, work *atriumpb.Work) error {
				defer close(abused)
				return evil.abuse(ctx, work)
			}
		}
		return nil
	}
	defer honest.start()()
	defer evil.start()()
	line := w.warned("sum waits for more answers")
	if !strings.Contains(line, "round=2 answers=3 reason=the sum could not be opened: group 0: recover from 3 answers, threshold 3: no consistent subset of answers") {
		t.Errorf("the coordinator warns: %s", line)
	}
	if s := c.View().State.Round; s.Phase != round.Publishing {
		t.Errorf("round %d is %s while one of three share sums is wrong", s.Number, s.Phase)
	}
	close(waits)
	s := w.until(c, "the plan's end", finished)
	if s.Trained != 5 || s.Round != 6 {
		t.Errorf("%d train rounds in %d rounds: want 5 in 6", s.Trained, s.Round)
	}
	w.says(c, 2, "wrong         "+evil.name+": share sums disagree with the sum, or a dealer in S gave wrong shares", "with 4 hospitals")
	w.says(c, 3, "excused       "+evil.name+": could not read a submitter who stayed", "with 4 hospitals")
	w.says(c, 4, "with 4 hospitals")
	w.says(c, 5, "with 4 hospitals")
	w.says(c, 6, "refused       "+evil.name+", as custodian:", "with 4 hospitals")
	if _, story := w.show(c, 4); strings.Contains(strings.Join(story.Answered, " "), evil.name) || len(story.Answered) != 3 {
		t.Errorf("round 4 was answered by %v, %s was silent", story.Answered, evil.name)
	}
	wanted := []string{
		"late answer: FailedPrecondition: answer of", "of another round",
		"S of another round: FailedPrecondition", "a checkpoint from before S: InvalidArgument", "which names S: content is not what was signed",
		"a checkpoint that never was: InvalidArgument", "two share sums: InvalidArgument", "no share sum: InvalidArgument", "there is one for each group of S",
		"a share sum that is short: InvalidArgument", "a share sum beyond the field: InvalidArgument", "another share sum than signed: InvalidArgument",
		"not the one that was signed", "another's signature: Unauthenticated", "another's answer: PermissionDenied", "format 2: InvalidArgument",
		"a second answer: AlreadyExists",
	}
	all := strings.Join(evil.told(), "\n")
	for _, words := range wanted {
		if !strings.Contains(all, words) {
			t.Errorf("the coordinator did not say %q", words)
		}
	}
	t.Logf("the coordinator said:\n%s", all)
	w.audited(c)
}

// abuse sends answers that must all be refused, then the honest one.
func (p *puppet) abuse(ctx context.Context, work *atriumpb.Work) error {
	try := func(what string, change func(*federation.Send, [][]byte)) {
		p.refused(what, p.answerWith(ctx, work, change))
	}
	try("S of another round", func(a *federation.Send, _ [][]byte) { a.Submitters = federation.Sum([]byte("S")) })
	try("a checkpoint from before S", func(a *federation.Send, _ [][]byte) { a.Checkpoint = p.header.Checkpoint })
	try("a checkpoint that never was", func(a *federation.Send, _ [][]byte) { a.Checkpoint.Size += 1000 })
	try("two share sums", func(a *federation.Send, sums [][]byte) { a.ShareSums = append(a.ShareSums, federation.Sum(sums[0])) })
	try("no share sum", func(a *federation.Send, sums [][]byte) { a.ShareSums[0], sums[0] = federation.Digest{}, nil })
	try("a share sum that is short", func(_ *federation.Send, sums [][]byte) { sums[0] = sums[0][:17] })
	try("a share sum beyond the field", func(_ *federation.Send, sums [][]byte) { sums[0][1], sums[0][2] = 0xff, 0xff })
	try("another share sum than signed", func(a *federation.Send, _ [][]byte) { a.ShareSums[0][0] ^= 1 })
	try("format 2", func(a *federation.Send, _ [][]byte) { a.V = 2 })
	req, err := p.answerRequest(work, func(*federation.Send, [][]byte) {})
	if err != nil {
		return err
	}
	forged, err := federation.DecodeSigned(req.GetSigned())
	if err != nil {
		return err
	}
	forged.Signature = flip(forged.Signature)
	_, err = p.api.SendAnswer(ctx, &atriumpb.AnswerRequest{Federation: "cardiology", Signed: federation.Encode(forged), ShareSums: req.GetShareSums()})
	p.refused("another's signature", err)
	other := p.w.puppet(p.w.names[2])
	_, err = other.api.SendAnswer(ctx, req)
	p.refused("another's answer", err)
	if _, err := p.api.SendAnswer(ctx, req); err != nil {
		return err
	}
	again, err := p.answerRequest(work, offByOne(0))
	if err != nil {
		return err
	}
	_, err = p.api.SendAnswer(ctx, again)
	p.refused("a second answer", err)
	return nil
}

// TestWrongShareSumOfOneGroup: among exactly t answers, a share sum that is wrong for one
// group only must not cost that group its place: another answer corrects it.
func TestWrongShareSumOfOneGroup(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 7, 2, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:4] {
		defer w.hospital(name)()
	}
	waits := make(chan struct{})
	var slow [2]*puppet
	for i := range slow { // two custodians are slow, so that the first five have a liar among them
		p := w.puppet(w.names[4+i])
		slow[i] = p
		p.script = func(work *atriumpb.Work) act {
			if work.GetRound() != 2 || work.GetKind() != "answer" {
				return nil
			}
			return func(ctx context.Context, work *atriumpb.Work) error {
				select {
				case <-waits:
				case <-ctx.Done():
				}
				return p.answer(ctx, work)
			}
		}
		defer p.start()()
	}
	evil := w.puppet(w.names[6])
	evil.script = func(work *atriumpb.Work) act {
		if work.GetRound() != 2 || work.GetKind() != "answer" {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error { return evil.answerWith(ctx, work, offByOne(1)) }
	}
	defer evil.start()()
	if line := w.warned("sum waits for more answers"); !strings.Contains(line, "answers=5 reason=group 1: ") {
		t.Errorf("the coordinator warns: %s", line)
	}
	if s := c.View().State.Round; s.Phase != round.Publishing {
		t.Errorf("round %d is %s while group 1 can be saved", s.Number, s.Phase)
	}
	close(waits)
	w.until(c, "the plan's end", finished)
	w.says(c, 2, "wrong         "+evil.name, "group 0       4 hospitals in the sum", "group 1       3 hospitals in the sum")
	w.audited(c)
}

// TestSilentCustodians: m−t = 2 of 7 are silent from the candidate on, one of them gone
// without a word. The round costs no deadline.
func TestSilentCustodians(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 7, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:5] {
		defer w.hospital(name)()
	}
	for i, name := range w.names[5:] {
		p := w.puppet(name)
		p.script = func(work *atriumpb.Work) act {
			switch kind := work.GetKind(); {
			case work.GetRound() == 2 && kind == "acknowledge" && i == 0:
				return func(context.Context, *atriumpb.Work) error { return p.conn.Close() }
			case work.GetRound() == 2 && kind == "answer":
				return later
			}
			return nil
		}
		defer p.start()()
	}
	s := w.until(c, "the plan's end", finished)
	if s.Round != 2 {
		t.Errorf("%d rounds: want 2, none abandoned", s.Round)
	}
	if _, story := w.show(c, 2); len(story.Answered) != 5 || story.Result.Submitters != 7 {
		t.Errorf("answered by %v, %d hospitals in the sum: want 5 and 7", story.Answered, story.Result.Submitters)
	}
	w.audited(c)
}
