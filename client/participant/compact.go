package participant

import (
	"bytes"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// keptManifests is how many of the newest manifests are remembered whole: a round under
// way may still want what was stored for one of them.
const keptManifests = 16

// keptOver is how many of the newest manifests are remembered whose sums are public.
const keptOver = 64

// Compact returns the entries of a journal that begins with what s remembers and has the
// same say in everything that is asked later: everything ready, sent and burned, for ever; what is
// fixed of the newest manifests; counters, the checkpoint, the epoch, the versions, and whom
// sums were of. What it
// leaves out are manifests that were verified and nothing else: they can be accepted no
// more, because a manifest must carry the latest Join. The first entry says how many follow, so that a part is no journal.
func Compact(s State) []Entry {
	s = s.compacted()
	head := Entry{V: 1, Kind: Compacted, Digest: s.Pinned, Epoch: s.Epoch, Counter: s.Counter, Head: s.Seen, Message: s.Closed,
		Bases: s.Bases, Sketches: s.Sketches, Recovered: s.Recovered, Forgotten: s.Forgotten,
		Follow: len(s.Memory) + len(s.Bound) + len(s.Opened) + len(s.Lines)}
	entries := []Entry{head}
	for _, m := range s.Memory {
		entries = append(entries, Entry{V: 1, Kind: Kept, Memory: &m})
	}
	for _, b := range s.Bound {
		entries = append(entries, Entry{V: 1, Kind: Kept, Answer: &b.Answered, Epoch: b.Epoch})
	}
	for _, o := range s.Opened {
		entries = append(entries, Entry{V: 1, Kind: Kept, Opens: &o})
	}
	for _, l := range s.Lines {
		entries = append(entries, Entry{V: 1, Kind: Kept, Line: &l})
	}
	return entries
}

// compacted is s without what Compact leaves out.
func (s State) compacted() State {
	var kept []Memory
	over := 0
	for _, m := range s.Memory {
		if m.Over {
			over++
		}
	}
	for i, m := range s.Memory {
		switch {
		case m.Over && over <= keptOver:
		case len(s.Memory)-i <= keptManifests || (m.Manifest == s.Live.Manifest && !m.Manifest.IsZero()):
		case !m.HasSent() && !m.Burned && len(m.Readies) == 0 && !m.Silent:
			if !m.Submission.IsZero() {
				s.Forgotten++
			}
			continue
		}
		if m.Over {
			over--
		}
		kept = append(kept, m)
	}
	s.Memory, s.Live = kept, Live{}
	return s
}

// Submitted counts the manifests under which an update was submitted.
func (s State) Submitted() int {
	n := s.Forgotten
	for _, m := range s.Memory {
		if !m.Submission.IsZero() {
			n++
		}
	}
	return n
}

// Remembers reports whether s is what Compact of another state gives.
func (s State) Remembers(of State) bool {
	type durable struct {
		Seen           federation.TreeHead
		Counter, Epoch uint64
		Memory         []Memory
		Pinned, Closed federation.Digest
		Bound          []Bound
		Bases          []Base
		Sketches       []BaseSketch
		Opened         []federation.Opened
		Lines          []Line
		Recovered      uint64
		Forgotten      int
	}
	encode := func(s State) []byte {
		return federation.Encode(durable{s.Seen, s.Counter, s.Epoch, s.Memory, s.Pinned, s.Closed, s.Bound, s.Bases, s.Sketches, s.Opened, s.Lines, s.Recovered, s.Forgotten})
	}
	return s.Awaited == 0 && bytes.Equal(encode(s), encode(of.compacted()))
}

// keeps counts the things that an entry keeps.
func keeps(e Entry) (n int) {
	for _, has := range []bool{e.Memory != nil, e.Answer != nil, e.Opens != nil, e.Line != nil} {
		if has {
			n++
		}
	}
	return n
}

// applyCompacted applies the entries that Compact wrote. They are the first of a journal.
func applyCompacted(s State, e Entry) (State, error) {
	if e.Kind == Compacted {
		if !s.Pinned.IsZero() || s.Counter > 0 || s.Seen.Size > 0 || len(s.Memory)+len(s.Bound)+len(s.Opened)+len(s.Lines) > 0 || e.Follow < 0 || e.Forgotten < 0 {
			return s, fmt.Errorf("%w: what was kept comes after other entries", ErrEntry)
		}
		s.Pinned, s.Epoch, s.Counter, s.Seen, s.Closed = e.Digest, e.Epoch, e.Counter, e.Head, e.Message
		s.Forgotten, s.Awaited, s.Bases, s.Sketches, s.Recovered = e.Forgotten, e.Follow, e.Bases, e.Sketches, e.Recovered
		return s, nil
	}
	if s.Awaited == 0 || keeps(e) != 1 {
		return s, fmt.Errorf("%w: one more is kept than the first entry says, or nothing is", ErrEntry)
	}
	s.Awaited--
	switch {
	case e.Answer != nil:
		s.Bound = append(slices.Clip(s.Bound), Bound{e.Epoch, *e.Answer})
		return s, nil
	case e.Opens != nil:
		s.Opened = append(slices.Clip(s.Opened), *e.Opens)
		return s, nil
	case e.Line != nil:
		if n := len(e.Line.Manifests); n == 0 || n > MaxLine {
			return s, fmt.Errorf("%w: a line of %d manifests", ErrEntry, n)
		}
		s.Lines = append(slices.Clip(s.Lines), *e.Line)
		return s, nil
	}
	if _, known := s.Recall(e.Memory.Manifest); known || e.Memory.Manifest.IsZero() {
		return s, fmt.Errorf("%w: manifest %s is kept twice", ErrEntry, e.Memory.Manifest.Short())
	}
	s.Memory = append(slices.Clip(s.Memory), *e.Memory)
	return s, nil
}
