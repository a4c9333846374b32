package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
)

// taskTime is what the coordinator takes for a task of its own.
const taskTime = 200 * time.Millisecond

// coordinator is a shell as thin as can be around the round machine.
type coordinator struct {
	w       *world
	state   round.State
	head    federation.TreeHead // entries, and a hash over all of them
	running map[string]bool
	waiting map[string]bool // publish tasks that more answers must come for
	wakes   time.Duration   // a tick that is due
	seen    news
	cost    costs
}

// news is what hospitals ask for work about.
type news struct {
	round     uint64
	phase     round.Phase
	candidate federation.Digest
	stands    bool
	owing     int
	attempts  int
}

func newCoordinator(w *world) *coordinator {
	return &coordinator{w: w, state: round.State{Charter: w.charter}, running: map[string]bool{}, waiting: map[string]bool{}, wakes: -1}
}

func (c *coordinator) begin() {
	c.must(c.commit(round.Started{Charter: c.w.charter.Digest()}))
	c.must(c.commit(round.Led{}))
	c.must(c.commit(planAccepted(c.w.plan)))
}

func planAccepted(p federation.Plan) round.PlanAccepted {
	return round.PlanAccepted{Plan: p.Digest(), Schedule: p.Schedule, Rule: p.Comparing()}
}

func (c *coordinator) must(err error) { c.w.fail(err) }

// when is the moment of an event, with the hospitals that have been gone for longer than
// the plan's grace.
func (c *coordinator) when() round.When {
	w := round.When{Now: c.w.moment()}
	for _, m := range c.w.charter.Members {
		if c.w.byID[m.ID].gone(c.w.now) {
			w.Gone = append(w.Gone, m.ID)
		}
	}
	return w
}

// commit decides, and applies what was decided.
func (c *coordinator) commit(ev round.Event) error {
	entries, err := round.Decide(c.state, ev, c.when())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if c.state, err = round.Apply(c.state, e); err != nil {
			return err
		}
		c.head.Size++
		c.head.Root = federation.Sum(append(c.head.Root[:], e.Encode()...))
		c.w.follow(e)
		if c.w.cfg.check != nil {
			c.w.fail(c.w.cfg.check(c.w))
		}
	}
	if len(entries) > 0 {
		c.work()
		c.announce()
	}
	return nil
}

// announce wakes the hospitals when there is something new to ask for.
func (c *coordinator) announce() {
	r := c.state.Round
	now := news{r.Number, r.Phase, r.Candidate, c.state.Stands(), len(c.state.Outcome.Owing), len(c.state.Attempts)}
	if now == c.seen {
		return
	}
	c.seen = now
	for _, h := range c.w.hosts {
		c.w.after(h.latency, h.visit)
	}
}

// work starts what is owed, and comes back when that may change by itself.
func (c *coordinator) work() {
	for _, t := range round.OwnTasks(c.state, c.when()) {
		if c.running[t.ID] || c.waiting[t.ID] {
			continue
		}
		c.running[t.ID] = true
		seen := c.state
		c.w.after(taskTime, func() {
			delete(c.running, t.ID)
			c.perform(t, seen)
		})
	}
	if wake := round.Wake(c.state); !wake.IsZero() {
		if at := wake.Sub(c.w.start); at > c.w.now && at != c.wakes {
			c.wakes = at
			c.w.at(at, c.work)
		}
	}
}

func (c *coordinator) perform(t round.Task, seen round.State) {
	if t.Kind == round.TaskPublish {
		c.waiting[t.ID] = true
	}
	if r := c.state.Round; r.Number != seen.Round.Number || r.Phase != seen.Round.Phase {
		return // it is not owed any more
	}
	ev, err := c.event(t, seen)
	if err == nil && ev != nil {
		err = c.commit(ev)
	}
	for _, stale := range []error{round.ErrStale, round.ErrNotDue, round.ErrWrongPhase, round.ErrMismatch} {
		if errors.Is(err, stale) {
			err = nil
		}
	}
	c.must(err)
	c.work()
}

func (c *coordinator) event(t round.Task, s round.State) (round.Event, error) {
	switch t.Kind {
	case round.TaskOpen:
		return c.header(t, s)
	case round.TaskManifest:
		return c.manifest(t, s), nil
	case round.TaskPropose:
		return c.candidate(t, s)
	case round.TaskPublish:
		return c.w.publish(s)
	case round.TaskFetch:
		return round.VouchesMissing{Round: t.Round}, nil
	case round.TaskAbandon:
		return round.RoundDefeated{Round: t.Round}, nil
	case round.TaskExpire:
		return round.ExpiryReached{}, nil
	case round.TaskFinish:
		return round.PlanEnded{}, nil
	}
	return nil, errors.New("task " + t.ID + " is unknown")
}

func (c *coordinator) header(t round.Task, s round.State) (round.Event, error) {
	charter, format := c.w.charter, c.w.plan.Format(t.RoundKind)
	var err error
	if base := c.w.lines.encrypted.snapshot; base != nil {
		if format, err = opening.Format(c.w.plan, t.RoundKind, *base); err != nil {
			return nil, err
		}
	}
	ring, err := opening.Ring(format.Count(), charter.LargestGroup(), format.Bits)
	if err != nil {
		return nil, err
	}
	c.forget(s)
	h := s.OnBase(federation.Header{V: 1, Federation: charter.Federation, Round: t.Round, Kind: t.RoundKind, Plan: s.Plan,
		CharterEpoch: charter.Epoch, Charter: charter.Digest(), Threshold: charter.Threshold,
		MaxHostile: charter.MaxHostile, MaxHostileMembers: charter.MaxHostileMembers, MinCohort: charter.MinCohort,
		Questions: c.w.plan.Questions(t.RoundKind, s.Model.Parameters), Format: format, Ring: ring, Checkpoint: c.head,
		GatherBy: federation.FormatTime(c.w.moment().Add(time.Duration(s.Schedule.GatherSeconds) * time.Second)), UpdateSeconds: t.Seconds,
	})
	h.Releases = s.ToRelease(h.Kind, h.Questions)
	if c.cost, err = costsOf(h, charter, c.w.lines.bytes); err != nil {
		return nil, err
	}
	digest := h.Digest()
	c.w.blobs[digest] = h
	return round.HeaderStored{Header: h, Blob: digest}, nil
}

// forget drops what nobody asks for any more: of earlier rounds all but the manifests, with
// their headers, to which a later one may be pinned.
func (c *coordinator) forget(s round.State) {
	keep := map[federation.Digest]any{}
	for _, a := range s.Attempts {
		if !a.Failed {
			continue
		}
		for _, d := range []federation.Digest{a.Manifest, a.Pin} {
			if m, ok := c.w.blobs[d].(federation.VerifiedManifest); ok {
				keep[d], keep[m.Header] = m, c.w.blobs[m.Header]
			}
		}
	}
	c.w.blobs = keep
}

// earlier is the round that a manifest is pinned to, as a hospital finds it in the store.
func (w *world) earlier(m federation.VerifiedManifest) (*federation.Earlier, error) {
	if m.Pin.IsZero() {
		return nil, nil
	}
	pinned, ok := w.blobs[m.Pin].(federation.VerifiedManifest)
	if !ok {
		return nil, fmt.Errorf("manifest %s, to which %s is pinned, is gone", m.Pin.Short(), m.Digest.Short())
	}
	return &federation.Earlier{Manifest: pinned, Header: w.blobs[pinned.Header].(federation.Header)}, nil
}

func (c *coordinator) manifest(t round.Task, s round.State) round.Event {
	m := federation.VerifiedManifest{Manifest: federation.Manifest{V: 1, Header: s.Round.Header, Groups: t.Cohort, Masked: t.Masked, Certificates: []federation.BurnCertificate{}, Pin: t.Pin}}
	for _, d := range t.Declines {
		decline := c.w.blobs[d.Blob].(federation.Decline)
		m.Declines = append(m.Declines, federation.VerifiedDecline{Decline: decline, Blob: d.Blob})
		m.Manifest.Declines = append(m.Manifest.Declines, signed(d.Hospital, decline))
	}
	joined := slices.Clone(s.Round.Joined)
	slices.SortFunc(joined, func(a, b round.Joined) int { return cmp.Compare(a.Hospital, b.Hospital) })
	for _, j := range joined {
		join := c.w.blobs[j.Blob].(federation.VerifiedJoin)
		m.Joins = append(m.Joins, join)
		m.Manifest.Joins = append(m.Manifest.Joins, signed(j.Hospital, join.Join))
	}
	for _, a := range t.Burnt {
		cert := federation.BurnCertificate{Manifest: a.Manifest}
		var burns []federation.VerifiedBurn
		all := slices.Clone(a.Burns)
		slices.SortFunc(all, func(a, b round.Held) int { return cmp.Compare(a.Hospital, b.Hospital) })
		for _, b := range all {
			burn := federation.Burn{V: 1, Manifest: a.Manifest, Custodian: b.Hospital}
			burns = append(burns, burn)
			cert.Burns = append(cert.Burns, signed(b.Hospital, burn))
		}
		m.Certificates, m.Burns = append(m.Certificates, cert), append(m.Burns, burns)
	}
	encoded := federation.Encode(m.Manifest)
	m.Digest = federation.Sum(encoded)
	c.cost.manifest = int64(len(encoded))
	c.w.blobs[m.Digest] = m
	return round.ManifestStored{Manifest: m}
}

// signed is a message with a signature of the right size.
func signed(by federation.HospitalID, body any) federation.Signed {
	return federation.Signed{Signer: by, Body: federation.Encode(body), Signature: make([]byte, 64)}
}

// candidate names S and, in place of sums that nobody encrypted, something of each group.
func (c *coordinator) candidate(t round.Task, s round.State) (round.Event, error) {
	list, err := s.Round.CandidateOf(t.Set)
	if err != nil {
		return nil, err
	}
	bytes := int64(0)
	for g, group := range list.Groups {
		bytes += int64(len(group)) * c.cost.ciphertext
		if len(group) > 0 {
			list.Sums[g] = federation.Sum(fmt.Appendf(nil, "sum of group %d under %s", g, list.Manifest))
		}
	}
	digest := list.Digest()
	c.w.blobs[digest] = list
	return round.CandidateStored{Set: t.Set, Blob: digest, Bytes: bytes}, nil
}

// publish takes the sums of a round and concludes it.
func (w *world) publish(s round.State) (round.Event, error) {
	var used []federation.HospitalID
	for _, a := range s.Round.Sends {
		used = append(used, a.Hospital)
	}
	slices.Sort(used)
	list := w.blobs[s.Round.Candidate].(federation.Candidate)
	ev := round.SumOpened{Round: s.Round.Number, Sends: len(used), Used: used}
	for g, group := range list.Groups {
		if len(group) > 0 {
			ev.Groups = append(ev.Groups, g)
		}
	}
	h := w.blobs[s.Round.Header].(federation.Header)
	outcome, err := w.conclude(opening.Round{Charter: w.charter, Plan: w.plan, Header: h, Manifest: s.Round.Manifest, Candidate: list, Submissions: w.submissions(list)})
	if errors.Is(err, errRule) {
		return round.OpeningFailed{Round: s.Round.Number, Sends: len(used), Final: true, Reason: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	ev.Metric = outcome.Stop
	ev.Result, ev.Snapshot, ev.Parameters, ev.Sketch = outcome.Result, outcome.Snapshot, outcome.Parameters, outcome.Sketch
	return ev, nil
}

// submissions are those of S.
func (w *world) submissions(list federation.Candidate) map[federation.HospitalID]federation.Submission {
	out := map[federation.HospitalID]federation.Submission{}
	for _, group := range list.Groups {
		for _, m := range group {
			out[m.Hospital] = w.blobs[m.Submission].(federation.Submission)
		}
	}
	return out
}
