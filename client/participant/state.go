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

	Pinned federation.Digest // charter of the epoch that this memory belongs to
	Epoch  uint64
	Closed federation.Digest // signed closing statement of that epoch; zero while it is open
	Bound  []Bound           // what custodians answered in earlier epochs

	Forgotten int // submissions under manifests that Compact left out
	Awaited   int // entries of Compact that must follow; 0 in every state to go on from
}

// Bound is an answer of an earlier epoch that holds in this one.
type Bound struct {
	Epoch uint64 // that it was brought into
	federation.Answered
}

// Live is what holds for this run of the daemon only; a start clears it.
type Live struct {
	Incarnation federation.Digest
	Header      federation.Digest // joined last
	Questions   []string
	Manifest    federation.Digest // verified last, for that header
}

// Memory is what a hospital remembers for ever of one manifest.
type Memory struct {
	Manifest   federation.Digest         `json:"manifest"`
	Round      uint64                    `json:"round"`
	Questions  []string                  `json:"questions,omitempty"`
	Submission federation.Digest         `json:"submission,omitzero"` // signed submission, if it made one
	Submitters federation.Digest         `json:"submitters,omitzero"` // what it answered, if it did
	Set        [][]federation.HospitalID `json:"set,omitempty"`       // the hospitals of that
	SetDigest  federation.Digest         `json:"set_digest,omitzero"` // instead of Set where that was compacted
	Answer     federation.Digest         `json:"answer,omitzero"`     // signed answer
	Burned     bool                      `json:"burned,omitempty"`
	Certified  bool                      `json:"certified,omitempty"` // a burn certificate for it was verified
	Past       bool                      `json:"past,omitempty"`      // of an earlier epoch: what still holds of it is in State.Bound
}

// Answered reports whether an answer was given under this manifest.
func (m Memory) Answered() bool { return !m.Answer.IsZero() }

// given is the answer under this manifest as the next epoch would hear of it.
func (m Memory) given() federation.Answered {
	set := m.SetDigest
	if m.Set != nil {
		set = federation.SetDigest(m.Set)
	}
	return federation.Answered{Manifest: m.Manifest, Questions: m.Questions, Set: set}
}

// Recall returns the memory of a manifest.
func (s State) Recall(manifest federation.Digest) (Memory, bool) {
	i := slices.IndexFunc(s.Memory, func(m Memory) bool { return m.Manifest == manifest })
	if i < 0 {
		return Memory{}, false
	}
	return s.Memory[i], true
}

// IsCustodian reports whether this hospital is a custodian of the pinned charter.
func (s State) IsCustodian() bool {
	_, ok := s.Charter.Point(s.Self)
	return ok
}
