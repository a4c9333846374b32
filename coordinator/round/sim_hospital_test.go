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
	hostile bool // its share sums are wrong

	journal [][]byte
	sent    map[federation.Digest]shareSums // stored answers by manifest
	updates map[federation.Digest]update    // stored submissions by manifest

	up    bool
	life  int
	state participant.State
	join  federation.VerifiedJoin // of this run, sent again until the manifest is there
	key   federation.Digest       // the one-round key in memory; zero: erased

}

// shareSums is a signed answer with what it carries.
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
	sealed  map[federation.HospitalID]federation.Digest // custodian -> one-round key
}

var errCrash = errors.New("the hospital stopped")

func (h *hospital) boot() {
	if h.w.forever == h {
		return
	}
	h.up, h.life, h.key, h.join = true, h.life+1, federation.Digest{}, federation.VerifiedJoin{}
	if h.sent == nil {
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
	r, ok := h.w.coord.poll(h.id, h.state.Live.Incarnation)
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
		return h.burn(t)
	case round.TaskJoin:
		return h.joinRound(r)
	case round.TaskUpdate:
		return h.submit(r)
	case round.TaskReady, round.TaskSend:
		return h.open(t, r)
	}
	h.w.fail("task %s for %s", t.ID, h.name)
	return nil
}

func (h *hospital) burn(t round.Task) error {
	entries, err := participant.BurnManifest(h.state, t.Round, t.Manifest)
	if errors.Is(err, participant.ErrAnswered) {
		h.send(round.SendVerified{Answer: h.sent[t.Manifest].Answer, Blob: h.sent[t.Manifest].blob})
		return nil
	}
	h.persist(entries)
	if h.state.Live.Manifest == t.Manifest {
		h.key = federation.Digest{}
	}
	if h.crash() {
		return errCrash
	}
	b := federation.Burn{V: 1, Manifest: t.Manifest, Custodian: h.id}
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

func (h *hospital) open(t round.Task, r reply) error {
	m := r.manifest
	if stored, ok := h.sent[m.Digest]; ok { // a restarted custodian replays stored answers
		h.send(round.SendVerified{Answer: stored.Answer, Blob: stored.blob})
		return nil
	}
	if !h.accept(r) {
		return nil
	}
	if err := participant.MayOpen(h.state, m, r.list); err != nil {
		h.decline(r.header.Digest(), federation.RoleCustodian, err.Error())
		return nil
	}
	unreadable := h.unreadable(r.list)
	if t.Kind == round.TaskReady && !r.selected {
		a := federation.Ready{V: 1, Manifest: m.Digest, Candidate: r.list.Digest(), Custodian: h.id, Unreadable: unreadable}
		h.send(round.ReadyVerified{Acknowledgement: a, Blob: federation.Sum(federation.Encode(a))})
		return nil
	}
	if t.Kind != round.TaskSend {
		return nil
	}
	if len(unreadable) > 0 {
		h.w.fail("%s is to answer over %v, which it cannot read", h.name, unreadable)
	}
	a := shareSums{wrong: h.hostile, Answer: federation.Send{V: 1, Manifest: m.Digest, Submitters: r.list.Digest(), Custodian: h.id}}
	a.blob = federation.Sum(federation.Encode(a.Answer))
	entries, err := participant.AnswerWith(h.state, m, r.list, a.blob)
	if err != nil {
		if h.w.healthy { // with an honest coordinator memory never stands in the way
			h.w.fail("%s: %v", h.name, err)
		}
		h.decline(r.header.Digest(), federation.RoleCustodian, err.Error())
		return nil
	}
	h.w.blobs[a.blob] = a
	h.persist(entries)
	h.sent[m.Digest] = a
	h.key = federation.Digest{}
	h.w.answered(h.id, r.header.Kind, r.header.Parameters, m.Digest, r.list.Set())
	if h.crash() {
		return errCrash
	}
	h.send(round.SendVerified{Answer: a.Answer, Blob: a.blob})
	return nil
}
