package participant

import (
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// EntryKind says what a journal entry records.
type EntryKind string

// Journal entries.
const (
	Started     EntryKind = "started"   // Digest: incarnation
	Saw         EntryKind = "saw"       // Head: a checkpoint consistent with all before
	Joined      EntryKind = "joined"    // Digest: header; Counter; Questions; Base, Newest, Start; Plan, RoundKind, Part
	Verified    EntryKind = "verified"  // Digest: manifest; Certified: manifests whose certificates it carries; Released: manifests that all released in it
	Submitted   EntryKind = "submitted" // Digest: manifest; Message: signed submission
	BecameReady EntryKind = "ready"     // Digest: manifest; Candidate, Set, ShareSums, Opens
	Sent        EntryKind = "sent"      // Digest: manifest; Candidate; Message: signed Send
	Failed      EntryKind = "failed"    // Digest: manifest
	Over        EntryKind = "over"      // Digest: manifest
	Based       EntryKind = "based"     // Base
	Sketched    EntryKind = "sketched"  // Digest: parameters of a version; Sketch
	Burned      EntryKind = "burned"    // Digest: manifest
	Pinned      EntryKind = "pinned"    // Digest: charter; Epoch: its own. The first entry of a journal
	Closed      EntryKind = "closed"    // Digest: charter; Message: signed closing statement
	Inherited   EntryKind = "inherited" // Answer: of an earlier epoch; Epoch: the one that begins
	Began       EntryKind = "began"     // Digest: charter; Epoch: its own
	Recovered   EntryKind = "recovered" // Counter: of the latest Join that the coordinator has
	Compacted   EntryKind = "compacted" // what Compact keeps: Digest, Epoch, Counter, Head, Message as of Pinned, Joined, Saw, Closed; Follow, Forgotten, Bases, Sketches, Recovered
	Kept        EntryKind = "kept"      // Memory, Opens, Line, or Answer with its Epoch
	Recalled    EntryKind = "recalled"  // Digest: manifest; Round, Epoch, Questions, Candidate, Set, Opens, Message of a Send that the journal lacked
)

// Entry is one line of a hospital's journal.
type Entry struct {
	V         int                  `json:"v"` // 1
	Kind      EntryKind            `json:"kind"`
	Digest    federation.Digest    `json:"digest,omitzero"`
	Round     uint64               `json:"round,omitempty"`
	Counter   uint64               `json:"counter,omitempty"`
	Questions []string             `json:"questions,omitempty"`
	Base      Base                 `json:"base,omitzero"`
	Head      federation.TreeHead  `json:"head,omitzero"`
	Certified []federation.Digest  `json:"certified,omitempty"`
	Message   federation.Digest    `json:"message,omitzero"`
	Form      federation.Digest    `json:"form,omitzero"` // of Verified
	Released  []federation.Digest  `json:"released,omitempty"`
	Candidate federation.Digest    `json:"candidate,omitzero"`
	Set       federation.Digest    `json:"set,omitzero"` // SetDigest
	ShareSums []federation.Digest  `json:"share_sums,omitempty"`
	Epoch     uint64               `json:"epoch,omitempty"`
	Answer    *federation.Answered `json:"answer,omitempty"`
	Memory    *Memory              `json:"memory,omitempty"`
	Bases     []Base               `json:"bases,omitempty"`
	Newest    uint64               `json:"newest,omitempty"` // of Joined, as is Start
	Start     federation.Start     `json:"start,omitzero"`
	Plan      federation.Digest    `json:"plan,omitzero"`
	RoundKind federation.RoundKind `json:"round_kind,omitempty"`
	Part      federation.Part      `json:"part,omitzero"` // of Joined
	Opens     *federation.Opened   `json:"opens,omitempty"`
	Line      *Line                `json:"line,omitempty"`
	Sketch    *federation.Sketch   `json:"sketch,omitempty"`
	Sketches  []BaseSketch         `json:"sketches,omitempty"`
	Recovered uint64               `json:"recovered,omitempty"`
	Forgotten int                  `json:"forgotten,omitempty"`
	Follow    int                  `json:"follow,omitempty"` // entries that belong to this one
}

// MaxEntryBytes bounds one journal entry: a plan of 4,096 features asks three questions
// about each.
const MaxEntryBytes = 3 << 19

// ErrEntry: the journal is not one that this machine wrote.
var ErrEntry = errors.New("journal entry does not fit")

// DecodeEntry reads canonical bytes.
func DecodeEntry(b []byte) (Entry, error) {
	e, err := federation.Decode[Entry](b, MaxEntryBytes)
	if err == nil && e.V != 1 {
		err = fmt.Errorf("journal entry of format %d: this program reads 1", e.V)
	}
	return e, err
}

// Apply returns the state after a persisted entry.
func Apply(s State, e Entry) (State, error) {
	if s.Awaited > 0 && e.Kind != Kept {
		return s, fmt.Errorf("%w: %s before all that was kept", ErrEntry, e.Kind)
	}
	switch e.Kind {
	case Started:
		s.Live = Live{Incarnation: e.Digest}
	case Saw:
		if e.Head.Size < s.Seen.Size || (e.Head.Size == s.Seen.Size && e.Head.Root != s.Seen.Root) {
			return s, fmt.Errorf("%w: checkpoint of size %d after %d", ErrEntry, e.Head.Size, s.Seen.Size)
		}
		s.Seen = e.Head
	case Joined:
		if e.Counter != s.Counter+1 {
			return s, fmt.Errorf("%w: join %d after %d", ErrEntry, e.Counter, s.Counter)
		}
		s.Counter = e.Counter
		s.Live = Live{Incarnation: s.Live.Incarnation, Header: e.Digest, Questions: e.Questions, Base: e.Base, Newest: e.Newest, Start: e.Start,
			Plan: e.Plan, Kind: e.RoundKind, Part: e.Part}
	case Verified:
		return applyVerified(s, e), nil
	case Submitted:
		if m, _ := s.Recall(e.Digest); !m.Submission.IsZero() || e.Message.IsZero() {
			return s, fmt.Errorf("%w: manifest %s has its submission", ErrEntry, e.Digest.Short())
		}
		return s.change(e.Digest, func(m *Memory) { m.Submission = e.Message })
	case Over:
		return s.change(e.Digest, func(m *Memory) { m.Over = true })
	case BecameReady, Sent, Failed, Burned:
		return applyOpening(s, e)
	case Based:
		return s.withBase(e.Base), nil
	case Sketched:
		return s.withSketch(e)
	case Pinned, Closed, Inherited, Began:
		return applyEpoch(s, e)
	case Compacted, Kept:
		return applyCompacted(s, e)
	case Recovered, Recalled:
		return applyRecovery(s, e)
	default:
		return s, fmt.Errorf("%w: unknown kind %q", ErrEntry, e.Kind)
	}
	return s, nil
}

// applyOpening applies what a custodian fixed about a manifest.
func applyOpening(s State, e Entry) (State, error) {
	m, _ := s.Recall(e.Digest)
	ready, held := m.Ready(e.Candidate)
	misfit := func(what string) (State, error) {
		return s, fmt.Errorf("%w: %s under manifest %s: it %s", ErrEntry, e.Kind, e.Digest.Short(), what)
	}
	switch {
	case e.Kind == Burned && m.HasSent(), e.Kind == BecameReady && m.HasSent(), e.Kind == Sent && m.HasSent():
		return misfit("was sent under")
	case e.Kind != Burned && e.Kind != Failed && (m.Burned || m.Silent):
		return misfit("was burned, or its journal was lost")
	case e.Kind == BecameReady && (e.Candidate.IsZero() || held || e.Set.IsZero()):
		return misfit("is ready for that candidate")
	case e.Kind == Sent && (!held || e.Message.IsZero()):
		return misfit("was not ready for candidate " + e.Candidate.Short())
	case e.Kind == Failed && !m.HasSent():
		return misfit("has no sum")
	}
	switch e.Kind {
	case BecameReady:
		if s.Live.Manifest == e.Digest {
			s.Live.Candidate = e.Candidate
		}
		return s.change(e.Digest, func(m *Memory) {
			m.Readies = append(slices.Clip(m.Readies), ReadyFor{e.Candidate, e.Set, e.ShareSums, e.Opens})
		})
	case Sent:
		s = s.noted(ready.Opens)
		return s.change(e.Digest, func(m *Memory) { m.Sent, m.Candidate, m.Set, m.Readies = e.Message, e.Candidate, ready.Set, nil })
	case Failed:
		return s.change(e.Digest, func(m *Memory) { m.Failed = true })
	}
	s = s.remember(Memory{Manifest: e.Digest, Round: e.Round})
	return s.change(e.Digest, func(m *Memory) { m.Burned, m.Readies = true, nil })
}

func applyVerified(s State, e Entry) State {
	s.Live.Manifest = e.Digest
	s = s.remember(Memory{Manifest: e.Digest, Round: e.Round, Questions: e.Questions, Form: e.Form, Released: e.Released})
	for _, d := range e.Certified {
		// Unknown: nothing of ours depends on it. Of an earlier epoch: burns by the
		// custodians of this one say nothing about it.
		s, _ = s.change(d, func(m *Memory) { m.Certified = !m.Past })
		s = s.unopened(d)
	}
	return s
}

func (s State) remember(m Memory) State {
	if _, known := s.Recall(m.Manifest); !known {
		s.Memory = append(slices.Clip(s.Memory), m)
	}
	return s
}

func (s State) change(manifest federation.Digest, change func(*Memory)) (State, error) {
	i := slices.IndexFunc(s.Memory, func(m Memory) bool { return m.Manifest == manifest })
	if i < 0 {
		return s, fmt.Errorf("%w: manifest %s is unknown", ErrEntry, manifest.Short())
	}
	s.Memory = slices.Clone(s.Memory)
	change(&s.Memory[i])
	return s, nil
}
