package participant

import (
	"slices"

	"atrium/coordinator/federation"
)

// State is what a hospital knows of one federation.
type State struct {
	Self    federation.HospitalID
	Charter federation.Charter // pinned
	Seen    federation.TreeHead
	Counter uint64 // of the last Join
	Live    Live
	Memory  []Memory // one a manifest, oldest first
	Bases   []Base   // versions that it may be ready on, newest last, at most keptBases

	Sketches []BaseSketch        // of versions, newest last, at most keptBases; none without a guard
	Opened   []federation.Opened // what it sent for in this epoch, as the guard remembers it; newest last
	Lines    []Line              // whom it helped to evaluate in this epoch, by part of the records

	Pinned    federation.Digest // charter of the epoch that this memory belongs to
	Epoch     uint64
	Closed    federation.Digest // signed closing statement of that epoch; zero while it is open
	Bound     []Bound           // what custodians sent in earlier epochs
	Recovered uint64            // Joins up to this number were signed by a journal that was lost; 0: none was

	Forgotten int // submissions under manifests that Compact left out
	Awaited   int // entries of Compact that must follow; 0 in every state to go on from
}

// Base is a version that this hospital derived, or whose derivation f+1 custodians signed.
type Base struct {
	Version    uint64            `json:"version"`
	Snapshot   federation.Digest `json:"snapshot"`
	Parameters federation.Digest `json:"parameters"`
	Plan       federation.Digest `json:"plan,omitzero"`   // that made it
	Steps      uint64            `json:"steps,omitempty"` // train rounds that it went through
}

// Bound is what was sent in an earlier epoch and holds in this one.
type Bound struct {
	Epoch uint64 // that it was brought into
	federation.Answered
}

// Live is what holds for this run of the daemon only; a start clears it.
type Live struct {
	Incarnation federation.Digest
	Header      federation.Digest // joined last
	Questions   []string
	Base        Base // that the header names
	Newest      uint64
	Start       federation.Start // of the plan
	Plan        federation.Digest
	Kind        federation.RoundKind
	Part        federation.Part   // of the records, that an evaluation is about
	Manifest    federation.Digest // verified last, for that header
	Candidate   federation.Digest // of that manifest, ready for last
}

// Memory is what a hospital remembers for ever of one manifest.
type Memory struct {
	Manifest   federation.Digest   `json:"manifest"`
	Round      uint64              `json:"round"`
	Questions  []string            `json:"questions,omitempty"`
	Form       federation.Digest   `json:"form,omitzero"`       // Form of its round: how the question is asked
	Released   []federation.Digest `json:"released,omitempty"`  // earlier manifests that every hospital released in its Join of this one
	Submission federation.Digest   `json:"submission,omitzero"` // signed submission, if it made one
	Readies    []ReadyFor          `json:"readies,omitempty"`   // oldest first
	Candidate  federation.Digest   `json:"candidate,omitzero"`  // that it sent for, if it did
	Set        federation.Digest   `json:"set,omitzero"`        // SetDigest of that
	Sent       federation.Digest   `json:"sent,omitzero"`       // signed Send
	Failed     bool                `json:"failed,omitempty"`    // it derived that no group of what it sent for holds
	Burned     bool                `json:"burned,omitempty"`
	Certified  bool                `json:"certified,omitempty"` // a burn certificate for it was verified
	Silent     bool                `json:"silent,omitempty"`    // it may have sent under it before the journal was lost: it neither sends nor burns, and the questions stay answered
	Epoch      uint64              `json:"epoch,omitempty"`     // that it is of, where it was recalled before that epoch began here
	Over       bool                `json:"over,omitempty"`      // its sum is public: derived here, or by the word of f+1 custodians
	Past       bool                `json:"past,omitempty"`      // of an earlier epoch: what still holds of it is in State.Bound
}

// ReadyFor is a candidate for which a custodian holds its share sums.
type ReadyFor struct {
	Candidate federation.Digest   `json:"candidate"`
	Set       federation.Digest   `json:"set"`             // SetDigest
	ShareSums []federation.Digest `json:"share_sums"`      // by group, zero for a dropped group
	Opens     *federation.Opened  `json:"opens,omitempty"` // what the guard and the line of evaluations would remember
}

// HasSent reports whether share sums were given under this manifest.
func (m Memory) HasSent() bool { return !m.Sent.IsZero() }

// Ready returns what is held for a candidate.
func (m Memory) Ready(candidate federation.Digest) (ReadyFor, bool) {
	i := slices.IndexFunc(m.Readies, func(r ReadyFor) bool { return r.Candidate == candidate })
	if i < 0 {
		return ReadyFor{}, false
	}
	return m.Readies[i], true
}

// Recall returns the memory of a manifest.
func (s State) Recall(manifest federation.Digest) (Memory, bool) {
	i := slices.IndexFunc(s.Memory, func(m Memory) bool { return m.Manifest == manifest })
	if i < 0 {
		return Memory{}, false
	}
	return s.Memory[i], true
}

// AskedSince reports whether the question of a manifest was asked here under another one after it,
// in the order of the journal: numbers of rounds are the coordinator's.
func (s State) AskedSince(manifest federation.Digest) bool {
	i := slices.IndexFunc(s.Memory, func(m Memory) bool { return m.Manifest == manifest })
	return i >= 0 && slices.ContainsFunc(s.Memory[i+1:], func(m Memory) bool { return federation.Overlap(m.Questions, s.Memory[i].Questions) })
}

// IsCustodian reports whether this hospital is a custodian of the pinned charter.
func (s State) IsCustodian() bool {
	_, ok := s.Charter.Point(s.Self)
	return ok
}
