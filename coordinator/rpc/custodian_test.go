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

// TestLyingCustodian: four custodians, three must send, one lies; one lie a round.
func TestLyingCustodian(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 5, 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:2] {
		defer w.hospital(name)()
	}
	honest, evil := w.puppet(w.names[2]), w.puppet(w.names[3])
	waits := make(chan struct{})    // closed once three share sums were not enough
	abused := make(chan struct{})   // closed once everything was tried
	prepared := make(chan struct{}) // closed once the late send is there
	var once sync.Once
	var lateSend *atriumpb.SharesRequest
	honest.script = func(work *atriumpb.Work) act {
		until := map[uint64]chan struct{}{2: waits, 5: prepared, 6: abused}[work.GetRound()]
		if until == nil || work.GetKind() != "send" {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error {
			select {
			case <-until:
			case <-ctx.Done():
			}
			return honest.give(ctx, work)
		}
	}
	evil.script = func(work *atriumpb.Work) act {
		switch kind := work.GetKind(); {
		case work.GetRound() == 2 && kind == "send": // one of exactly three
			return func(ctx context.Context, work *atriumpb.Work) error { return evil.giveWith(ctx, work, noise) }
		case work.GetRound() == 3 && kind == "ready":
			return func(ctx context.Context, work *atriumpb.Work) error {
				all := append([]federation.HospitalID{}, w.charter.Groups[0]...)
				return evil.complain(ctx, work, all)
			}
		case work.GetRound() == 4 && kind == "send":
			return later
		case work.GetRound() == 5 && kind == "send": // too late: see the join of round 6
			return func(ctx context.Context, work *atriumpb.Work) (err error) {
				lateSend, err = evil.sharesRequest(work, func(*federation.Send, [][]byte) {})
				once.Do(func() { close(prepared) })
				return errors.Join(err, errLater)
			}
		case work.GetRound() == 6 && kind == "join" && lateSend != nil:
			return func(ctx context.Context, work *atriumpb.Work) error {
				_, err := evil.api.SendShares(ctx, lateSend)
				evil.refused("late send", err)
				return evil.join(ctx, work)
			}
		case work.GetRound() == 6 && kind == "send":
			return func(ctx context.Context, work *atriumpb.Work) error {
				defer close(abused)
				return evil.abuse(ctx, work)
			}
		}
		return nil
	}
	defer honest.start()()
	defer evil.start()()
	line := w.warned("sum waits for more share sums")
	if !strings.Contains(line, "round=2 sends=3 reason=the sum could not be opened: group 0: recover from 3 answers, threshold 3: no consistent subset of answers") {
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
	w.says(c, 3, "complained    "+evil.name+": could not read a submitter", "with 4 hospitals")
	w.says(c, 4, "with 4 hospitals")
	w.says(c, 5, "with 4 hospitals")
	w.says(c, 6, "refused       "+evil.name+", as custodian:", "with 4 hospitals")
	if _, story := w.show(c, 4); strings.Contains(strings.Join(story.Sent, " "), evil.name) || len(story.Sent) != 3 {
		t.Errorf("round 4 was sent by %v, %s was silent", story.Sent, evil.name)
	}
	wanted := []string{
		"late send: FailedPrecondition: send of", "of another round",
		"another candidate: FailedPrecondition", "a checkpoint from before the readies: InvalidArgument", "with which custodians were ready: content is not what was signed",
		"a checkpoint that never was: InvalidArgument", "two share sums: InvalidArgument", "no share sum: InvalidArgument", "there is one for each group of S",
		"a share sum that is short: InvalidArgument", "a share sum beyond the field: InvalidArgument", "another share sum than signed: InvalidArgument",
		"not the one that was signed", "another's signature: Unauthenticated", "another's share sums: PermissionDenied", "format 2: InvalidArgument",
		"a second send: AlreadyExists",
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

// abuse sends share sums that must all be refused, then the honest one.
func (p *puppet) abuse(ctx context.Context, work *atriumpb.Work) error {
	try := func(what string, change func(*federation.Send, [][]byte)) {
		p.refused(what, p.giveWith(ctx, work, change))
	}
	try("another candidate", func(a *federation.Send, _ [][]byte) { a.Candidate = federation.Sum([]byte("S")) })
	try("a checkpoint from before the readies", func(a *federation.Send, _ [][]byte) { a.Checkpoint = p.header.Checkpoint })
	try("a checkpoint that never was", func(a *federation.Send, _ [][]byte) { a.Checkpoint.Size += 1000 })
	try("two share sums", func(a *federation.Send, sums [][]byte) { a.ShareSums = append(a.ShareSums, federation.Sum(sums[0])) })
	try("no share sum", func(a *federation.Send, sums [][]byte) { a.ShareSums[0], sums[0] = federation.Digest{}, nil })
	try("a share sum that is short", func(_ *federation.Send, sums [][]byte) { sums[0] = sums[0][:17] })
	try("a share sum beyond the field", func(_ *federation.Send, sums [][]byte) { sums[0][1], sums[0][2] = 0xff, 0xff })
	try("another share sum than signed", func(a *federation.Send, _ [][]byte) { a.ShareSums[0][0] ^= 1 })
	try("format 2", func(a *federation.Send, _ [][]byte) { a.V = 2 })
	req, err := p.sharesRequest(work, func(*federation.Send, [][]byte) {})
	if err != nil {
		return err
	}
	forged, err := federation.DecodeSigned(req.GetSigned())
	if err != nil {
		return err
	}
	forged.Signature = flip(forged.Signature)
	_, err = p.api.SendShares(ctx, &atriumpb.SharesRequest{Federation: "cardiology", Signed: federation.Encode(forged), ShareSums: req.GetShareSums()})
	p.refused("another's signature", err)
	other := p.w.puppet(p.w.names[2])
	_, err = other.api.SendShares(ctx, req)
	p.refused("another's share sums", err)
	if _, err := p.api.SendShares(ctx, req); err != nil {
		return err
	}
	again, err := p.sharesRequest(work, offByOne(0))
	if err != nil {
		return err
	}
	_, err = p.api.SendShares(ctx, again)
	p.refused("a second send", err)
	return nil
}

// TestWrongShareSumOfOneGroup: among exactly t sends, a share sum that is wrong for one
// group only must not cost that group its place: another send corrects it.
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
			if work.GetRound() != 2 || work.GetKind() != "send" {
				return nil
			}
			return func(ctx context.Context, work *atriumpb.Work) error {
				select {
				case <-waits:
				case <-ctx.Done():
				}
				return p.give(ctx, work)
			}
		}
		defer p.start()()
	}
	evil := w.puppet(w.names[6])
	evil.script = func(work *atriumpb.Work) act {
		if work.GetRound() != 2 || work.GetKind() != "send" {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error { return evil.giveWith(ctx, work, offByOne(1)) }
	}
	defer evil.start()()
	if line := w.warned("sum waits for more share sums"); !strings.Contains(line, "sends=5 reason=group 1: ") {
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
			case work.GetRound() == 2 && kind == "ready" && i == 0:
				return func(context.Context, *atriumpb.Work) error { return p.conn.Close() }
			case work.GetRound() == 2 && kind == "send":
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
	if _, story := w.show(c, 2); len(story.Sent) != 5 || story.Result.Submitters != 7 {
		t.Errorf("sent by %v, %d hospitals in the sum: want 5 and 7", story.Sent, story.Result.Submitters)
	}
	w.audited(c)
}
