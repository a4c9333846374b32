package round_test

import (
	"errors"
	"slices"
	"time"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// hospital is a daemon as thin as can be. Its journal and what it wrote to disk before
// sending are durable; keys and everything else are lost when it stops.
type hospital struct {
	w       *world
	id      federation.HospitalID
	name    string
	hostile bool // its share sums are wrong, its updates broken, its complaints made up, now and then

	journal [][]byte
	readied map[federation.Digest]round.ReadyVerified // stored readies by candidate
	sent    map[federation.Digest]shareSums           // stored sends by manifest
	updates map[federation.Digest]update              // stored submissions by manifest

	up    bool
	life  int
	state participant.State
	join  federation.VerifiedJoin // of this run, sent again until the manifest is there
	key   federation.Digest       // the one-round key in memory; zero: erased
}

// shareSums is a signed Send with what it carries.
type shareSums struct {
	federation.Send
	blob  federation.Digest
	wrong bool
}

// update is a signed submission with what it carries: the ciphertext of a one-hot
// vector and envelopes, of which some custodians cannot read theirs.
type update struct {
	federation.Submission
	blob    federation.Digest
	oneHot  federation.HospitalID
	garbled []federation.HospitalID
	broken  bool                                        // no sum with it opens
	sealed  map[federation.HospitalID]federation.Digest // custodian -> one-round key
}

var errCrash = errors.New("the hospital stopped")

func (h *hospital) boot() {
	if h.w.forever == h {
		return
	}
	h.up, h.life, h.key, h.join = true, h.life+1, federation.Digest{}, federation.VerifiedJoin{}
	if h.sent == nil {
		h.readied = map[federation.Digest]round.ReadyVerified{}
		h.sent, h.updates = map[federation.Digest]shareSums{}, map[federation.Digest]update{}
	}
	h.state = participant.State{Self: h.id, Charter: h.w.charter}
	for _, b := range h.journal {
		e, err := participant.DecodeEntry(b)
		if err != nil {
			h.w.fail("journal of %s: %v\n%s", h.name, err, b)
		}
		h.apply(e)
	}
	h.persist(participant.Start(h.w.digest("incarnation")))
	h.w.note("%s (%s) starts", h.name, h.id)
	h.tick(h.life)
}

func (h *hospital) stop(d time.Duration) {
	h.w.note("%s stops for %v", h.name, d)
	h.up = false
	h.w.after(d, h.boot)
}

func (h *hospital) apply(e participant.Entry) {
	next, err := participant.Apply(h.state, e)
	if err != nil {
		h.w.fail("journal of %s: %v", h.name, err)
	}
	h.state = next
}

func (h *hospital) persist(entries []participant.Entry) {
	for _, e := range entries {
		h.journal = append(h.journal, federation.Encode(e))
		h.apply(e)
	}
}

// crash stops the hospital at this very step, now and then.
func (h *hospital) crash() bool {
	if h.w.faulty(0.008) {
		h.stop(h.w.between(100, 30_000))
		return true
	}
	return false
}

func (h *hospital) tick(life int) {
	if !h.up || h.life != life {
		return
	}
	if h.w.faulty(0.003) {
		h.stop(h.w.between(1000, 60_000))
		return
	}
	h.w.carry(func() {
		if h.up && h.life == life {
			h.poll(life)
		}
	})
	h.w.after(h.w.between(500, 1500), func() { h.tick(life) })
}

// poll fetches work; the reply travels over the network too and may be stale when it comes.
func (h *hospital) poll(life int) {
	r, ok := h.w.coord.poll(h)
	if !ok {
		return
	}
	h.w.carry(func() {
		if !h.up || h.life != life {
			return
		}
		for _, t := range r.tasks {
			if err := h.do(t, r); errors.Is(err, errCrash) {
				return
			}
		}
	})
}

func (h *hospital) send(ev round.Event) {
	h.w.carry(func() { h.w.coord.commit(ev) }) // a refusal is an answer like any other
}

func (h *hospital) decline(header federation.Digest, role, reason string) {
	ev := round.DeclineVerified{Blob: h.w.digest("decline"), Decline: federation.Decline{V: 1, Header: header, Hospital: h.id, Role: role, Reason: reason}}
	h.w.blobs[ev.Blob] = ev.Decline
	h.send(ev)
}

func (h *hospital) do(t round.Task, r reply) error {
	if h.crash() {
		return errCrash
	}
	switch t.Kind {
	case round.TaskBurn:
		return h.burn(t, r)
	case round.TaskJoin:
		return h.joinRound(r)
	case round.TaskUpdate:
		return h.submit(r)
	case round.TaskReady:
		return h.beReady(r)
	case round.TaskVouch:
		return h.vouch(r)
	case round.TaskSend:
		return h.give(r)
	case round.TaskDerive:
		return h.derive(r.outcome)
	}
	h.w.fail("task %s for %s", t.ID, h.name)
	return nil
}

func (h *hospital) burn(t round.Task, r reply) error {
	m := r.manifest
	joined := uint64(0)
	for _, j := range m.Joins {
		if j.Hospital == h.id {
			joined = j.Counter
		}
	}
	entries, err := participant.BurnManifest(h.state, t.Round, m.Digest, joined)
	if errors.Is(err, participant.ErrSent) {
		h.send(round.SendVerified{Send: h.sent[m.Digest].Send, Blob: h.sent[m.Digest].blob})
		return nil
	}
	if err != nil {
		h.w.fail("%s: %v", h.name, err)
	}
	h.persist(entries)
	if h.state.Live.Manifest == m.Digest {
		h.key = federation.Digest{}
	}
	if h.crash() {
		return errCrash
	}
	b := federation.Burn{V: 1, Manifest: m.Digest, Custodian: h.id}
	blob := federation.Sum(federation.Encode(b))
	h.w.blobs[blob] = b
	h.send(round.BurnVerified{Burn: b, Blob: blob})
	return nil
}

func (h *hospital) joinRound(r reply) error {
	if h.w.faulty(0.01) {
		h.decline(r.header.Digest(), federation.RoleUpdate, "too few records today")
		return nil
	}
	if h.state.Live.Header == r.header.Digest() && h.join.Header == r.header.Digest() {
		h.send(round.JoinVerified{VerifiedJoin: h.join})
		return nil
	}
	seen, err := participant.See(h.state, r.header.Checkpoint)
	if err != nil {
		h.w.fail("%s: %v", h.name, err)
	}
	h.persist(seen)
	entries, err := participant.JoinHeader(h.state, h.w.plan, r.header)
	if err != nil {
		h.w.fail("%s: %v", h.name, err)
	}
	h.persist(entries)
	if h.crash() {
		return errCrash
	}
	h.key = h.w.digest("key of " + h.name)
	h.join = federation.VerifiedJoin{Join: federation.Join{V: 1, Header: r.header.Digest(), Hospital: h.id,
		Counter: h.state.Counter, Incarnation: h.state.Live.Incarnation, Key: slices.Clone(h.key[:])}}
	h.join.Blob = federation.Sum(federation.Encode(h.join.Join))
	h.w.blobs[h.join.Blob] = h.join
	h.send(round.JoinVerified{VerifiedJoin: h.join})
	return nil
}

// accept verifies the manifest, or says that this hospital sits out.
func (h *hospital) accept(r reply) bool {
	entries, err := participant.AcceptManifest(h.state, h.w.plan, r.header, r.manifest, h.w.earlier(r.manifest))
	if errors.Is(err, federation.ErrManifest) { // everyone must believe an honest coordinator
		h.w.fail("%s: %v", h.name, err)
	}
	if err != nil {
		h.decline(r.header.Digest(), federation.RoleUpdate, err.Error())
		h.decline(r.header.Digest(), federation.RoleCustodian, err.Error())
		return false
	}
	h.persist(entries)
	return true
}

func (h *hospital) submit(r reply) error {
	if u, ok := h.updates[r.manifest.Digest]; ok { // stored bytes may be sent again, also after a restart
		h.send(round.UpdateVerified{Submission: u.Submission, Blob: u.blob})
		return nil
	}
	if !h.accept(r) {
		return nil
	}
	if h.w.faulty(0.01) {
		h.decline(r.header.Digest(), federation.RoleUpdate, "the update was not finite")
		return nil
	}
	group, _ := r.manifest.Cohort(h.id)
	u := update{oneHot: h.id, sealed: map[federation.HospitalID]federation.Digest{}}
	u.Submission = federation.Submission{V: 1, Manifest: r.manifest.Digest, Hospital: h.id, Group: group, Segments: []federation.Digest{h.w.digest("segment")}}
	for _, c := range h.w.charter.Custodians {
		u.sealed[c] = federation.Digest(append(make([]byte, 0, 32), append(r.manifest.Custodian(c), make([]byte, 32)...)[:32]...))
		if h.w.faulty(0.03) {
			u.garbled = append(u.garbled, c)
		}
	}
	u.broken = h.hostile && h.w.faulty(0.25)
	u.blob = federation.Sum(federation.Encode(u.Submission))
	h.w.blobs[u.blob] = u
	h.updates[r.manifest.Digest] = u
	if h.crash() { // written, not yet in the journal: never sent
		return errCrash
	}
	entries, err := participant.Submit(h.state, r.manifest.Digest, u.blob)
	if err != nil {
		h.w.fail("%s: %v", h.name, err)
	}
	h.persist(entries)
	if h.crash() {
		return errCrash
	}
	h.send(round.UpdateVerified{Submission: u.Submission, Blob: u.blob})
	return nil
}

// unreadable lists whose envelopes this custodian cannot open with the key it holds.
func (h *hospital) unreadable(list federation.Candidate) []federation.HospitalID {
	var out []federation.HospitalID
	for _, group := range list.Groups {
		for _, m := range group {
			u := h.w.blobs[m.Submission].(update)
			if slices.Contains(u.garbled, h.id) || u.sealed[h.id] != h.key || h.key.IsZero() {
				out = append(out, m.Hospital)
			}
		}
	}
	slices.Sort(out)
	return out
}

// learn takes up what the log shows of rounds that this hospital did not derive in time.
func (h *hospital) learn() {
	if !h.state.HasBase(h.state.Live.Base) {
		entries, err := participant.TakeBase(h.state, h.state.Live.Base)
		if err != nil {
			h.w.fail("%s: %v", h.name, err)
		}
		h.persist(entries)
	}
	for _, m := range h.state.Memory {
		if m.HasSent() && h.w.coord.failed(m.Manifest) {
			entries, err := participant.NoGroupHeld(h.state, m.Manifest, m.Candidate)
			if err != nil {
				h.w.fail("%s: %v", h.name, err)
			}
			h.persist(entries)
		}
	}
}

// complaints are those of unreadable, and made up ones of a hostile custodian.
func (h *hospital) complaints(list federation.Candidate) []federation.HospitalID {
	out := h.unreadable(list)
	if h.hostile && h.w.faulty(0.3) {
		for _, id := range slices.Concat(list.Set()...) {
			if !slices.Contains(out, id) {
				out = append(out, id)
				break
			}
		}
		slices.Sort(out)
	}
	return out
}

func (h *hospital) beReady(r reply) error {
	m, candidate := r.manifest, r.list.Digest()
	if stored, ok := h.readied[candidate]; ok { // also after a restart
		h.send(stored)
		return nil
	}
	if !h.accept(r) {
		return nil
	}
	h.learn()
	if err := participant.MayOpen(h.state, m, r.list, r.before); err != nil {
		h.decline(r.header.Digest(), federation.RoleCustodian, err.Error())
		return nil
	}
	a := federation.Ready{V: 1, Manifest: m.Digest, Candidate: candidate, Custodian: h.id, Unreadable: h.complaints(r.list)}
	ev := round.ReadyVerified{Ready: a, Blob: federation.Sum(federation.Encode(a))}
	if len(a.Unreadable) == 0 {
		entries, err := participant.BeReady(h.state, m, r.list, r.before, make([]federation.Digest, len(r.list.Groups)))
		if err != nil {
			h.w.fail("%s: %v", h.name, err)
		}
		h.persist(entries)
		h.readied[candidate] = ev
		if h.crash() {
			return errCrash
		}
	}
	h.send(ev)
	return nil
}

func (h *hospital) vouch(r reply) error {
	if h.w.faulty(0.05) {
		h.decline(r.header.Digest(), federation.RoleUpdate, "the stored ciphertext is gone")
		return nil
	}
	v := federation.Vouch{V: 1, Manifest: r.manifest.Digest, Candidate: r.list.Digest(), Hospital: h.id}
	h.send(round.VouchVerified{Vouch: v, Blob: federation.Sum(federation.Encode(v))})
	return nil
}

// give sends share sums for a candidate that stands.
func (h *hospital) give(r reply) error {
	m, candidate := r.manifest.Digest, r.list.Digest()
	if stored, ok := h.sent[m]; ok { // a restarted custodian sends the same again
		h.send(round.SendVerified{Send: stored.Send, Blob: stored.blob})
		return nil
	}
	if h.w.faulty(h.w.reluctant) {
		h.decline(r.header.Digest(), federation.RoleCustodian, "our people say no")
		return nil
	}
	a := shareSums{wrong: h.hostile && h.w.faulty(0.3), Send: federation.Send{V: 1, Manifest: m, Candidate: candidate, Custodian: h.id}}
	a.blob = federation.Sum(federation.Encode(a.Send))
	entries, err := participant.SendFor(h.state, m, candidate, a.blob)
	if memory, _ := h.state.Recall(m); memory.Burned { // asked before it burned, told after
		return nil
	}
	if err != nil { // with an honest coordinator memory never stands in the way
		h.w.fail("%s: %v", h.name, err)
	}
	h.w.blobs[a.blob] = a
	h.persist(entries)
	h.sent[m] = a
	h.key = federation.Digest{}
	h.w.gave(h.id, r.header, m, r.list)
	if h.crash() {
		return errCrash
	}
	h.send(round.SendVerified{Send: a.Send, Blob: a.blob})
	return nil
}

// derive computes what followed from the last candidate that was opened; a hostile custodian
// says something else.
func (h *hospital) derive(o round.Outcome) error {
	if o.Result.IsZero() {
		entries, err := participant.NoGroupHeld(h.state, o.Manifest, o.Candidate)
		if err != nil {
			h.w.fail("%s: %v", h.name, err)
		}
		h.persist(entries)
	} else if o.Version > 0 {
		entries, err := participant.TakeBase(h.state, participant.Base{Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Plan: o.Plan, Steps: o.Steps})
		if err != nil {
			h.w.fail("%s: %v", h.name, err)
		}
		h.persist(entries)
	}
	d := federation.Derived{V: 1, Round: o.Round, Manifest: o.Manifest, Candidate: o.Candidate, Custodian: h.id, Plan: o.Plan,
		Result: o.Result, Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Steps: o.Steps}
	if h.hostile {
		d.Snapshot = h.w.digest("another snapshot")
	}
	h.send(round.DerivedVerified{Derived: d, Blob: federation.Sum(federation.Encode(d))})
	return nil
}
