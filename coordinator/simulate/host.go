package simulate

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
)

// skipTime is how long a daemon leaves a task alone that failed.
const skipTime = 30 * time.Second

// host is a hospital's daemon as thin as can be, on a machine and a line that fail. It does
// one thing after the other, as the daemon does.
type host struct {
	w        *world
	index    int
	id       federation.HospitalID
	class    Class
	drawn    Hospital
	calendar *calendar
	delays   *rand.Rand
	latency  time.Duration

	on, up bool
	left   time.Duration // when the line went down, or the simulation began
	life   int           // of the daemon; work of an earlier one is dropped
	busy   bool
	skip   map[string]time.Duration // task -> when it may be tried again

	state  participant.State
	join   federation.VerifiedJoin                  // of this run of the daemon
	has    federation.Digest                        // snapshot that it downloaded or derived last
	fixed  map[federation.Digest]sent               // by manifest
	shares map[federation.Digest]round.SendVerified // by manifest
	before *federation.Candidate                    // that it was ready for last

	upBytes, downBytes   int64
	present              time.Duration
	since                time.Duration // of present
	joined, summed, late int           // train rounds
	trained, wasted      time.Duration
	lastTraining         time.Duration
}

// sent is a submission that was fixed.
type sent struct {
	round.UpdateVerified
	bytes int64
}

func newHost(w *world, index int, id federation.HospitalID) *host {
	drawn := w.cfg.Population[index]
	h := &host{w: w, index: index, id: id, drawn: drawn, class: w.cfg.Profiles.Classes[drawn.Class],
		calendar: drawn.calendar(w.cfg.Profiles), delays: drawn.stream(streamStart),
		skip: map[string]time.Duration{}, fixed: map[federation.Digest]sent{}, shares: map[federation.Digest]round.SendVerified{},
		state: participant.State{Self: id, Charter: w.charter}}
	h.latency = time.Duration(h.class.Link.LatencyMS*float64(time.Millisecond)) + time.Duration(index)*time.Microsecond // no two at one moment
	return h
}

// gone reports whether the coordinator has not seen it for the plan's grace.
func (h *host) gone(now time.Duration) bool {
	return !h.up && now-h.left >= time.Duration(h.w.plan.Schedule.GraceSeconds)*time.Second
}

func (h *host) begin() {
	h.leave()
	h.change()
}

// leave has the coordinator look again when the grace is over.
func (h *host) leave() {
	h.left = h.w.now
	h.w.after(time.Duration(h.w.plan.Schedule.GraceSeconds)*time.Second, func() { h.w.coord.work() })
}

// change follows the calendar from one change of machine or line to the next.
func (h *host) change() {
	on, up, until := h.calendar.at(h.w.now)
	if on && !h.on {
		h.persist(participant.Start(federation.Sum(fmt.Appendf(nil, "incarnation %d of %s", h.life, h.id))))
		h.join = federation.VerifiedJoin{}
	}
	if !on && h.on {
		h.life++
		h.busy = false
		clear(h.skip)
	}
	wasUp := h.up
	h.on, h.up = on, up
	if wasUp && !up {
		h.present += h.w.now - h.since
		h.leave()
	}
	if !wasUp && up {
		h.since = h.w.now
		h.w.after(h.latency, h.visit)
	}
	h.w.at(until, h.change)
}

func (h *host) persist(entries []participant.Entry) {
	for _, e := range entries {
		next, err := participant.Apply(h.state, e)
		h.w.fail(err)
		h.state = next
	}
}

// visit asks for work and begins it.
func (h *host) visit() {
	if !h.up || h.busy {
		return
	}
	for _, t := range round.TasksFor(h.w.coord.state, h.id, h.state.Live.Incarnation) {
		if h.skip[t.ID] <= h.w.now {
			h.busy = true
			h.do(t)
			return
		}
	}
}

// then goes on with the same run of the daemon at a moment.
func (h *host) then(at time.Duration, do func()) {
	life := h.life
	h.w.at(at, func() {
		if h.life == life && h.on {
			do()
		}
	})
}

// fetch downloads, then goes on.
func (h *host) fetch(bytes int64, do func()) {
	at := h.calendar.works(h.w.now, transfer(bytes, h.class.Link.DownMbit), true)
	h.then(at, func() {
		h.downBytes += bytes
		do()
	})
}

func transfer(bytes int64, mbit float64) time.Duration {
	return time.Duration(float64(bytes) * 8 / (mbit * 1e6) * float64(time.Second))
}

// send uploads a message and has the coordinator decide on it. The task is then done, or is
// left alone for a while.
func (h *host) send(t round.Task, bytes int64, events ...round.Event) {
	at := h.calendar.works(h.w.now, transfer(bytes, h.class.Link.UpMbit)+h.latency, true)
	h.then(at, func() {
		h.upBytes += bytes
		for _, ev := range events {
			if h.w.coord.commit(ev) != nil { // a refusal is an answer like any other
				h.leaveAlone(t)
			}
		}
		h.rest()
	})
}

func (h *host) leaveAlone(t round.Task) {
	h.skip[t.ID] = h.w.now + skipTime
	h.w.after(skipTime+h.latency, h.visit)
}

// rest ends a task and asks for the next.
func (h *host) rest() {
	h.busy = false
	h.w.after(h.latency, h.visit)
}

// giveUp leaves a task that cannot be done now.
func (h *host) giveUp(t round.Task) {
	h.leaveAlone(t)
	h.busy = false
}

func (h *host) declines(header federation.Digest, role, reason string) (round.Event, int64) {
	d := federation.Decline{V: 1, Header: header, Hospital: h.id, Role: role, Reason: reason}
	blob := federation.Sum(federation.Encode(d))
	h.w.blobs[blob] = d
	return round.DeclineVerified{Decline: d, Blob: blob}, size(h.id, d)
}

// decline says in which roles it sits out.
func (h *host) decline(t round.Task, header federation.Digest, reason string, roles ...string) {
	var events []round.Event
	bytes := int64(0)
	for _, role := range roles {
		ev, n := h.declines(header, role, reason)
		events, bytes = append(events, ev), bytes+n
	}
	h.send(t, bytes, events...)
}

func (h *host) do(t round.Task) {
	r := h.w.coord.state.Round
	header, ok := h.w.blobs[r.Header].(federation.Header)
	if t.Kind == round.TaskDerive {
		h.derive(t)
		return
	}
	if !ok {
		h.giveUp(t)
		return
	}
	switch t.Kind {
	case round.TaskBurn:
		h.burn(t)
	case round.TaskJoin:
		h.joins(t, header)
	case round.TaskUpdate:
		h.update(t, header)
	case round.TaskReady:
		h.ready(t, header)
	case round.TaskVouch:
		h.vouch(t)
	case round.TaskSend:
		h.sendShares(t)
	default:
		h.w.fail(fmt.Errorf("task %s is unknown to a simulated hospital", t.ID))
	}
}

func (h *host) burn(t round.Task) {
	manifest := h.w.coord.state.Round.Manifest
	entries, err := participant.BurnManifest(h.state, t.Round, manifest, 0)
	if errors.Is(err, participant.ErrSent) {
		a := h.shares[manifest]
		h.send(t, size(h.id, a.Send), a)
		return
	}
	if err != nil {
		h.giveUp(t)
		return
	}
	h.persist(entries)
	b := federation.Burn{V: 1, Manifest: manifest, Custodian: h.id}
	h.send(t, size(h.id, b), round.BurnVerified{Burn: b, Blob: federation.Sum(federation.Encode(b))})
}

// joins takes part.
func (h *host) joins(t round.Task, header federation.Header) {
	h.fetch(h.w.coord.cost.header, func() {
		digest := header.Digest()
		few := h.w.cfg.Encrypted.Rows(h.index, header.Kind) < h.w.plan.Privacy.MinRecords
		if few && !h.state.IsCustodian() {
			h.decline(t, digest, "policy rule min_records", federation.RoleUpdate)
			return
		}
		if h.state.Live.Header != digest || h.join.Header != digest {
			if err := h.takePart(header); err != nil {
				h.giveUp(t)
				return
			}
		}
		events, n := []round.Event{round.JoinVerified{VerifiedJoin: h.join}}, size(h.id, h.join.Join)
		if few {
			ev, more := h.declines(digest, federation.RoleUpdate, "policy rule min_records")
			events, n = append(events, ev), n+more
		}
		h.send(t, n, events...)
	})
}

// takePart makes the Join.
func (h *host) takePart(header federation.Header) error {
	seen, err := participant.See(h.state, header.Checkpoint)
	if err != nil {
		return err
	}
	h.persist(seen)
	entries, err := participant.JoinHeader(h.state, h.w.plan, header)
	if err != nil {
		return err
	}
	h.persist(entries)
	join := federation.Join{V: 1, Header: header.Digest(), Hospital: h.id, Cosignature: cosignature,
		Counter: h.state.Counter, Incarnation: h.state.Live.Incarnation, Capability: h.capability()}
	if h.state.IsCustodian() {
		join.Key = make([]byte, envelope.PublicSize)
		copy(join.Key, fmt.Appendf(nil, "%s %d", h.id, join.Counter))
	}
	h.join = federation.VerifiedJoin{Join: join, Blob: federation.Sum(federation.Encode(join))}
	h.w.blobs[h.join.Blob] = h.join
	return nil
}

// capability is what it says about itself, if it does.
func (h *host) capability() federation.Capability {
	if !h.class.Capability {
		return federation.Capability{}
	}
	whole := func(x float64) int { return int(min(math.Ceil(x), federation.MaxCapability)) }
	train := h.wholeWork(federation.Header{Kind: federation.Train})
	return federation.Capability{TrainSeconds: federation.PowerUp(whole(train.Seconds())),
		UploadKiB: federation.PowerDown(whole(h.class.Link.UpMbit * 1e6 / 8 / 1024))}
}

// accept verifies the manifest, or says why this hospital sits out.
func (h *host) accept(header federation.Header, m federation.VerifiedManifest) error {
	earlier, err := h.w.earlier(m)
	if err != nil {
		h.w.fail(err)
		return err
	}
	entries, err := participant.AcceptManifest(h.state, h.w.plan, header, m, earlier)
	if errors.Is(err, federation.ErrManifest) { // everyone must believe an honest coordinator
		h.w.fail(err)
	}
	if err != nil {
		return err
	}
	h.persist(entries)
	return nil
}

// update trains, fixes its submission and sends it.
func (h *host) update(t round.Task, header federation.Header) {
	m := h.w.blobs[h.w.coord.state.Round.Manifest].(federation.VerifiedManifest)
	if s, ok := h.fixed[m.Digest]; ok { // it is sent again as it is
		h.send(t, s.bytes, s.UpdateVerified)
		return
	}
	bytes := h.w.coord.cost.manifest
	if h.has != header.Base {
		bytes += h.w.coord.cost.base
	}
	h.fetch(bytes, func() {
		h.has = header.Base
		err := h.accept(header, m)
		if err == nil {
			err = participant.MaySubmit(h.state, m)
		}
		if err != nil {
			roles := []string{federation.RoleUpdate}
			if h.state.IsCustodian() && h.state.Live.Header != m.Header {
				roles = append(roles, federation.RoleCustodian)
			}
			h.decline(t, m.Header, reasonOf(err), roles...)
			return
		}
		if c := h.w.lines.computed[h.id]; c.tooSlow {
			h.decline(t, m.Header, c.failed, federation.RoleUpdate)
			return
		}
		work := h.work(header)
		h.lastTraining = work
		if header.Kind == federation.Train {
			h.trained += work
		}
		h.then(h.calendar.works(h.w.now, h.delay()+work, false), func() { h.submit(t, m) })
	})
}

// reasonOf is what a daemon says of itself.
func reasonOf(err error) string {
	for _, rule := range []error{participant.ErrRestarted, participant.ErrNotJoined} {
		if errors.Is(err, rule) {
			return "the daemon restarted since it joined"
		}
	}
	return err.Error()[:min(len(err.Error()), federation.MaxReason)]
}

// delay is how long the machine lets the work wait.
func (h *host) delay() time.Duration {
	return time.Duration(h.delays.ExpFloat64() * h.class.StartMinutes * float64(time.Minute))
}

// work is how long the machine computes in a round, of which partial work is a part.
func (h *host) work(header federation.Header) time.Duration {
	whole := h.wholeWork(header)
	if header.Kind != federation.Train || !h.w.plan.Local.PartialWork.On() {
		return whole
	}
	steps, _ := h.steps(header)
	return whole * time.Duration(steps) / time.Duration(h.allSteps())
}

func (h *host) allSteps() int {
	return h.w.plan.Local.StepsOf(h.w.cfg.Encrypted.Rows(h.index, federation.Train))
}

// steps is how many steps of a train round fit the time for updates, as a daemon works them
// out that knows its pace and its link; ok is false where they are fewer than the plan's least.
func (h *host) steps(header federation.Header) (steps int, ok bool) {
	plan, all := h.w.plan, h.allSteps()
	upload := transfer(h.w.coord.cost.ciphertext, h.class.Link.UpMbit)
	step := h.wholeWork(header) / time.Duration(max(all, 1))
	return plan.Local.StepsWithin(h.w.cfg.Encrypted.Rows(h.index, federation.Train), time.Duration(plan.UpdateTime(header))*time.Second, upload, step)
}

// wholeWork is how long the machine computes in a round if it takes all of its steps.
func (h *host) wholeWork(header federation.Header) time.Duration {
	rows := h.w.cfg.Encrypted.Rows(h.index, header.Kind)
	records := rows
	if local := h.w.plan.Local; header.Kind == federation.Train {
		batch := rows
		if local.Batch > 0 {
			batch = min(rows, local.Batch)
		}
		records = max(local.Steps*batch, local.Epochs*rows)
	}
	return time.Duration(float64(records) / h.drawn.Speed * float64(time.Second))
}

func (h *host) submit(t round.Task, m federation.VerifiedManifest) {
	if c := h.w.lines.computed[h.id]; c.failed != "" {
		h.decline(t, m.Header, c.failed, federation.RoleUpdate)
		return
	}
	cost, group := h.w.coord.cost, 0
	group, _ = m.Cohort(h.id)
	s := federation.Submission{V: 1, Manifest: m.Digest, Hospital: h.id, Group: group}
	kind := h.w.coord.state.Round.Kind
	s.Band = h.w.plan.Band(kind, h.w.cfg.Encrypted.Rows(h.index, kind))
	name := federation.Sum(fmt.Appendf(nil, "update of %s under %s", h.id, m.Digest))
	for range cost.segments {
		s.Segments = append(s.Segments, name)
	}
	bytes := cost.ciphertext
	for _, c := range h.w.charter.Custodians {
		var e federation.Digest
		if m.Custodian(c) != nil {
			e, bytes = name, bytes+cost.envelope
		}
		s.Envelopes = append(s.Envelopes, e)
	}
	out := sent{round.UpdateVerified{Submission: s, Blob: federation.Sum(federation.Encode(s))}, bytes + size(h.id, s)}
	entries, err := participant.Submit(h.state, m.Digest, out.Blob)
	if err != nil {
		h.giveUp(t)
		return
	}
	h.persist(entries)
	clear(h.fixed)
	h.fixed[m.Digest] = out
	h.w.blobs[out.Blob] = s
	h.send(t, out.bytes, out.UpdateVerified)
}
