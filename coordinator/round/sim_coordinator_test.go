package round_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// coordinator is a shell as thin as can be: entries are durable, all else is lost when
// it stops.
type coordinator struct {
	w        *world
	log      [][]byte
	up       bool
	life     int // counts boots, so that work of an earlier life is dropped
	state    round.State
	memo     round.Memo
	stored   []byte // the memo after an earlier entry, as a start finds it
	running  map[string]bool
	waiting  map[string]bool // publish tasks that more share sums must come for
	lastPoll map[federation.HospitalID]time.Duration
}

func (c *coordinator) boot() {
	before := c.state
	c.up, c.life, c.running, c.waiting = true, c.life+1, map[string]bool{}, map[string]bool{}
	c.restore()
	c.state = round.State{Charter: c.w.charter}
	c.memo = round.Memo{State: c.state}
	for _, e := range c.decoded() {
		c.apply(e)
	}
	if len(c.log) > 0 && !reflect.DeepEqual(before, c.state) {
		c.w.fail("replay gives another state:\n%+v\n%+v", before, c.state)
	}
	c.w.note("coordinator starts with %d entries", len(c.log))
	if !c.state.Genesis {
		c.commit(round.Started{Charter: c.w.charter.Digest()})
	}
	c.commit(round.Led{})
	if c.state.Plan.IsZero() {
		c.commit(round.PlanAccepted{Plan: c.w.plan.Digest(), Schedule: c.w.plan.Schedule})
	}
	c.tick(c.life)
}

// restore goes on from the stored memo and must come to where the coordinator was.
func (c *coordinator) restore() {
	if c.stored == nil {
		return
	}
	m, err := round.DecodeMemo(c.stored)
	if err != nil {
		c.w.fail("stored state: %v", err)
	}
	for _, e := range c.decoded()[m.Size:] {
		if m, err = m.Apply(e); err != nil {
			c.w.fail("after the stored state: %v", err)
		}
	}
	if have, want := m.Encode(), c.memo.Encode(); !bytes.Equal(have, want) {
		c.w.fail("the stored state leads to another:\n%s\n%s", have, want)
	}
}

// stop ends this life; what is in the log stays.
func (c *coordinator) stop(d time.Duration) {
	c.w.note("coordinator stops for %v", d)
	c.up = false
	c.w.after(d, c.boot)
}

func (c *coordinator) decoded() []round.Entry {
	list := make([]round.Entry, len(c.log))
	for i, b := range c.log {
		e, err := round.DecodeEntry(b)
		if err != nil {
			c.w.fail("entry %d: %v\n%s", i, err, b)
		}
		list[i] = e
	}
	return list
}

func (c *coordinator) apply(e round.Entry) {
	next, err := round.Apply(c.state, e)
	if err != nil {
		c.w.fail("apply %s: %v", e.Encode(), err)
	}
	if err := round.Invariants(next); err != nil {
		c.w.fail("after %s: %v", e.Encode(), err)
	}
	if next.Round.Number == c.state.Round.Number && next.Round.Phase != c.state.Round.Phase && !round.Legal(c.state.Round.Phase, next.Round.Phase) {
		c.w.fail("round goes from %s to %s", c.state.Round.Phase, next.Round.Phase)
	}
	c.state = next
	if c.memo, err = c.memo.Apply(e); err != nil {
		c.w.fail("apply %s: %v", e.Encode(), err)
	}
	if !reflect.DeepEqual(c.memo.State, c.state) {
		c.w.fail("the memo has another state after %s", e.Encode())
	}
	if c.memo.Size%37 == 0 {
		c.stored = c.memo.Encode()
	}
}

func (c *coordinator) when() round.When {
	w := round.When{Now: start.Add(c.w.now)}
	for _, m := range c.w.charter.Members {
		last, ok := c.lastPoll[m.ID]
		if !ok || c.w.now-last > time.Duration(c.w.plan.Schedule.GraceSeconds)*time.Second {
			w.Gone = append(w.Gone, m.ID)
		}
	}
	return w
}

// commit decides, makes the entries durable, applies them. It may stop after any step.
func (c *coordinator) commit(ev round.Event) error {
	if !c.up {
		return errors.New("coordinator is down")
	}
	entries, err := round.Decide(c.state, ev, c.when())
	if err != nil {
		return err
	}
	if len(entries) > 0 && c.state.Genesis && c.w.faulty(0.01) {
		c.stop(c.w.between(0, 15_000)) // before the commit
		return errors.New("coordinator stopped")
	}
	for _, e := range entries {
		c.w.note("%s %s %s %s", e.Kind, e.Hospital, e.Role, e.Reason)
		c.log = append(c.log, e.Encode())
		c.apply(e)
	}
	if len(entries) > 0 && c.w.faulty(0.01) {
		c.stop(c.w.between(0, 15_000)) // after it
	}
	return nil
}

// tick starts what is owed and comes back.
func (c *coordinator) tick(life int) {
	if !c.up || c.life != life {
		return
	}
	c.work()
	if c.w.faulty(0.003) {
		c.stop(c.w.between(0, 40_000))
		return
	}
	c.w.after(500*time.Millisecond, func() { c.tick(life) })
}

func (c *coordinator) work() {
	for _, t := range round.Pending(c.state, c.when()) {
		if t.Hospital != "" || c.running[t.ID] || c.waiting[t.ID] {
			continue
		}
		c.running[t.ID] = true
		seen, life := c.state, c.life
		c.w.after(c.w.between(1, 300), func() {
			if c.up && c.life == life {
				delete(c.running, t.ID)
				c.perform(t, seen)
			}
		})
	}
}

func (c *coordinator) perform(t round.Task, seen round.State) {
	if c.w.faulty(0.01) {
		c.stop(c.w.between(0, 15_000))
		return
	}
	err := c.commit(c.event(t, seen))
	for _, stale := range []error{round.ErrStale, round.ErrNotDue, round.ErrWrongPhase, round.ErrMismatch} {
		if errors.Is(err, stale) {
			err = nil
		}
	}
	if err != nil && c.up {
		c.w.fail("task %s: %v", t.ID, err)
	}
	if t.Kind == round.TaskPublish {
		c.waiting[t.ID] = true
	}
	if c.up {
		c.work()
	}
}

func (c *coordinator) event(t round.Task, s round.State) round.Event {
	switch t.Kind {
	case round.TaskOpen:
		return c.header(t, s)
	case round.TaskManifest:
		return c.manifest(t, s)
	case round.TaskPropose:
		return c.candidate(t, s)
	case round.TaskPublish:
		return c.open(t, s)
	case round.TaskFetch:
		return round.VouchesMissing{Round: t.Round}
	case round.TaskAbandon:
		return round.RoundDefeated{Round: t.Round}
	case round.TaskExpire:
		return round.ExpiryReached{}
	case round.TaskFinish:
		return round.PlanEnded{}
	}
	c.w.fail("task %s is unknown", t.ID)
	return nil
}

func (c *coordinator) header(t round.Task, s round.State) round.Event {
	h := s.OnBase(federation.Header{V: 1, Federation: c.w.charter.Federation, Round: t.Round, Kind: t.RoundKind, Plan: s.Plan,
		CharterEpoch: c.w.charter.Epoch, Charter: c.w.charter.Digest(), Threshold: c.w.charter.Threshold,
		MaxHostile: c.w.charter.MaxHostile, MaxHostileMembers: c.w.charter.MaxHostileMembers, MinCohort: c.w.charter.MinCohort,
		Part: t.Month, Questions: c.w.plan.QuestionsOf(t.RoundKind, s.Model.Parameters, t.Month), Format: c.w.plan.Format(t.RoundKind),
		Checkpoint: federation.TreeHead{Size: int64(len(c.log)), Root: logRoot(c.log)},
		GatherBy:   federation.FormatTime(start.Add(c.w.now)), UpdateSeconds: t.Seconds,
	})
	h.Releases = s.ToRelease(h.Kind, h.Questions)
	h.Ring = federation.Ring{Count: h.Format.Count(), Bits: h.Format.Bits, GroupSize: c.w.charter.LargestGroup()}
	c.w.blobs[h.Digest()] = h
	return round.HeaderStored{Header: h, Blob: h.Digest()}
}

func logRoot(log [][]byte) federation.Digest {
	var root federation.Digest
	for _, e := range log {
		root = federation.Sum(append(root[:], e...))
	}
	return root
}

func (c *coordinator) manifest(t round.Task, s round.State) round.Event {
	m := federation.VerifiedManifest{Manifest: federation.Manifest{V: 1, Header: s.Round.Header, Groups: t.Cohort, Masked: t.Masked, Pin: t.Pin}}
	for _, d := range t.Declines {
		m.Declines = append(m.Declines, federation.VerifiedDecline{Decline: c.w.blobs[d.Blob].(federation.Decline), Blob: d.Blob})
		m.Manifest.Declines = append(m.Manifest.Declines, federation.Signed{Signer: d.Hospital, Body: d.Blob[:]})
	}
	joined := slices.Clone(s.Round.Joined)
	slices.SortFunc(joined, func(a, b round.Joined) int { return slices.Compare([]byte(a.Hospital), []byte(b.Hospital)) })
	for _, j := range joined {
		m.Joins = append(m.Joins, c.w.blobs[j.Blob].(federation.VerifiedJoin))
		m.Manifest.Joins = append(m.Manifest.Joins, federation.Signed{Signer: j.Hospital, Body: j.Blob[:]})
	}
	for _, a := range t.Burnt {
		cert := federation.BurnCertificate{Manifest: a.Manifest}
		var burns []federation.VerifiedBurn
		for _, b := range a.Burns {
			burns = append(burns, c.w.blobs[b.Blob].(federation.Burn))
			cert.Burns = append(cert.Burns, federation.Signed{Signer: b.Hospital, Body: b.Blob[:]})
		}
		m.Certificates, m.Burns = append(m.Certificates, cert), append(m.Burns, burns)
	}
	m.Digest = m.Manifest.Digest()
	c.w.blobs[m.Digest] = m
	return round.ManifestStored{Manifest: m}
}

// earlier is the round that a manifest is pinned to, as a hospital finds it in the store.
func (w *world) earlier(m federation.VerifiedManifest) *federation.Earlier {
	if m.Pin.IsZero() {
		return nil
	}
	e := federation.Earlier{Manifest: w.blobs[m.Pin].(federation.VerifiedManifest)}
	e.Header = w.blobs[e.Manifest.Header].(federation.Header)
	return &e
}

// candidate adds C, which here is named after who is in it.
func (c *coordinator) candidate(t round.Task, s round.State) round.Event {
	list, err := s.Round.CandidateOf(t.Set)
	if err != nil {
		panic(err)
	}
	for g, group := range list.Groups {
		if len(group) > 0 {
			list.Sums[g] = federation.Sum(federation.Encode(group))
		}
	}
	c.w.blobs[list.Digest()] = list
	return round.CandidateStored{Set: t.Set, Blob: list.Digest(), Bytes: c.w.bytes}
}

// open models the opening: t right share sums for the same candidate under the same manifest
// give the sum of what S submitted; wrong ones are told apart as long as t are right.
func (c *coordinator) open(t round.Task, s round.State) round.Event {
	var used, wrong []federation.HospitalID
	for _, held := range s.Round.Sends {
		a := c.w.blobs[held.Blob].(shareSums)
		switch {
		case a.Candidate != s.Round.Candidate || a.Manifest != s.Round.Manifest:
			c.w.fail("what %s sent for another candidate was counted", held.Hospital)
		case a.wrong:
			wrong = append(wrong, held.Hospital)
		default:
			used = append(used, held.Hospital)
		}
	}
	broken := slices.ContainsFunc(slices.Concat(c.w.blobs[s.Round.Candidate].(federation.Candidate).Groups...), func(m federation.Submitter) bool {
		return c.w.blobs[m.Submission].(update).broken
	})
	if broken || len(used) < c.w.charter.Threshold {
		return round.OpeningFailed{Round: t.Round, Sends: len(s.Round.Sends), Reason: "share sums are inconsistent"}
	}
	sum := map[federation.HospitalID]int{}
	var groups []int
	for g, group := range c.w.blobs[s.Round.Candidate].(federation.Candidate).Groups {
		if len(group) > 0 {
			groups = append(groups, g)
		}
		for _, m := range group {
			sum[c.w.blobs[m.Submission].(update).oneHot]++
		}
	}
	ev := round.SumOpened{Round: t.Round, Result: c.w.digest("result"), Sends: len(s.Round.Sends), Groups: groups, Used: used, Wrong: wrong}
	c.w.blobs[ev.Result] = sum
	if s.Round.Kind != federation.Evaluate {
		ev.Snapshot, ev.Parameters = c.w.digest("snapshot"), c.w.digest("parameters")
		if s.Round.Kind == federation.Train && c.w.rng.IntN(12) == 0 {
			ev.Parameters = s.Model.Parameters // converged
		}
	}
	return ev
}

// reply is what a hospital learns when it polls.
type reply struct {
	tasks    []round.Task
	header   federation.Header
	manifest federation.VerifiedManifest
	list     federation.Candidate
	before   *federation.Candidate // that the hospital was ready for last
	outcome  round.Outcome
}

func (c *coordinator) poll(h *hospital) (reply, bool) {
	if !c.up {
		return reply{}, false
	}
	c.lastPoll[h.id] = c.w.now
	r := c.state.Round
	out := reply{tasks: round.TasksFor(c.state, h.id, h.state.Live.Incarnation), outcome: c.state.Outcome}
	out.header, _ = c.w.blobs[r.Header].(federation.Header)
	out.manifest, _ = c.w.blobs[r.Manifest].(federation.VerifiedManifest)
	out.list, _ = c.w.blobs[r.Candidate].(federation.Candidate)
	if last, ok := c.w.blobs[h.state.Live.Candidate].(federation.Candidate); ok {
		out.before = &last
	}
	return out, true
}

// failed reports whether the log says that no group held of what was opened under a manifest.
func (c *coordinator) failed(manifest federation.Digest) bool {
	return slices.ContainsFunc(c.state.Attempts, func(a round.Attempt) bool { return a.Manifest == manifest && a.Failed })
}

func (c *coordinator) String() string {
	return fmt.Sprintf("%d entries, round %d %s: %s", len(c.log), c.state.Round.Number, c.state.Round.Phase, round.Waiting(c.state))
}
