package simulate

import (
	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// ready opens its envelopes for a candidate: each submission with its envelope for this
// custodian, and the ciphertexts, where it adds them itself.
func (h *host) ready(t round.Task, header federation.Header) {
	r := h.w.coord.state.Round
	m := h.w.blobs[r.Manifest].(federation.VerifiedManifest)
	list := h.w.blobs[r.Candidate].(federation.Candidate)
	submitters := int64(0)
	for _, group := range list.Groups {
		submitters += int64(len(group))
	}
	bytes := int64(len(federation.Encode(list))) + submitters*(h.w.coord.cost.envelope+h.w.coord.cost.submission(h.w.charter))
	if r.Each == 0 {
		bytes += submitters * h.w.coord.cost.ciphertext
	}
	h.fetch(bytes, func() {
		err := h.accept(header, m)
		if err == nil {
			err = h.becomeReady(m, list)
		}
		if err != nil {
			h.decline(t, m.Header, reasonOf(err), federation.RoleCustodian)
			return
		}
		a := federation.Ready{V: 1, Manifest: m.Digest, Candidate: list.Digest(), Custodian: h.id,
			Asks: federation.AsksDigest(header.Questions, federation.SetDigest(list.Set())), Unreadable: []federation.HospitalID{}}
		h.send(t, size(h.id, a), round.ReadyVerified{Ready: a, Blob: federation.Sum(federation.Encode(a))})
	})
}

func (h *host) becomeReady(m federation.VerifiedManifest, list federation.Candidate) error {
	based, err := participant.TakeBase(h.state, h.state.Live.Base) // by the word of those who derived it
	if err != nil {
		return err
	}
	h.persist(based)
	entries, err := participant.BeReady(h.state, m, list, h.before, make([]federation.Digest, len(list.Groups)))
	if err != nil {
		return err
	}
	h.persist(entries)
	h.before = &list
	return nil
}

func (h *host) vouch(t round.Task) {
	r := h.w.coord.state.Round
	v := federation.Vouch{V: 1, Manifest: r.Manifest, Candidate: r.Candidate, Hospital: h.id}
	h.send(t, size(h.id, v), round.VouchVerified{Vouch: v, Blob: federation.Sum(federation.Encode(v))})
}

func (h *host) sendShares(t round.Task) {
	r := h.w.coord.state.Round
	a := federation.Send{V: 1, Manifest: r.Manifest, Candidate: r.Candidate, Custodian: h.id}
	ev := round.SendVerified{Send: a, Blob: federation.Sum(federation.Encode(a))}
	entries, err := participant.SendFor(h.state, r.Manifest, r.Candidate, ev.Blob)
	if err != nil {
		h.decline(t, r.Header, reasonOf(err), federation.RoleCustodian)
		return
	}
	h.persist(entries)
	h.shares[r.Manifest] = ev
	groups, bytes := int64(round.Kept(r.S)), size(h.id, a)
	if r.Each > 0 { // C, whose fingerprint it compares, and what nobody vouched for
		h.fetch((groups+int64(len(r.Fetched)))*h.w.coord.cost.ciphertext, func() { h.send(t, bytes+groups*h.w.coord.cost.shareSum, ev) })
		return
	}
	h.send(t, bytes+groups*h.w.coord.cost.shareSum, ev)
}

// derive computes the version from C and the share sums; here it is the one that there is.
func (h *host) derive(t round.Task) {
	o := h.w.coord.state.Outcome
	h.fetch(h.w.coord.cost.ciphertext+int64(len(o.Sends))*h.w.coord.cost.shareSum, func() {
		d := federation.Derived{V: 1, Round: o.Round, Manifest: o.Manifest, Candidate: o.Candidate, Custodian: h.id, Plan: o.Plan,
			Result: o.Result, Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Steps: o.Steps}
		entries, err := participant.NoGroupHeld(h.state, o.Manifest, o.Candidate)
		if !o.Result.IsZero() {
			entries, err = nil, nil
		}
		if err == nil && o.Version > 0 {
			entries, err = participant.TakeBase(h.state, participant.Base{Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Plan: o.Plan, Steps: o.Steps})
			h.has = o.Snapshot
		}
		if err != nil {
			h.giveUp(t)
			return
		}
		h.persist(entries)
		h.send(t, size(h.id, d), round.DerivedVerified{Derived: d, Blob: federation.Sum(federation.Encode(d))})
	})
}
