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
	Manifest   federation.Digest
	Round      uint64
	Questions  []string
	Submission federation.Digest         // signed submission, if it made one
	Submitters federation.Digest         // what it answered, if it did
	Set        [][]federation.HospitalID // the hospitals of that
	Answer     federation.Digest         // signed answer
	Burned     bool
	Certified  bool // a burn certificate for it was verified
}

// Answered reports whether an answer was given under this manifest.
func (m Memory) Answered() bool { return !m.Answer.IsZero() }

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

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(q string) bool { return slices.Contains(b, q) })
}

func sameSet(a, b [][]federation.HospitalID) bool { return slices.EqualFunc(a, b, slices.Equal) }
