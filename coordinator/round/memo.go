package round

import (
	"fmt"

	"atrium/coordinator/federation"
)

// Memo is the State with what its shell must know of the log to serve hospitals. It is
// what a start goes on from instead of reading the log from its beginning, and what an
// auditor compares with a replay: both apply the same entries. It never changes.
type Memo struct {
	State          State  `json:"state"`
	Size           int64  `json:"size"`                      // entries applied
	CandidateEntry []byte `json:"candidate_entry,omitempty"` // that names the last candidate
	CandidateIndex int64  `json:"candidate_index,omitempty"` // of it
	ReadyEntry     []byte `json:"ready_entry,omitempty"`     // with which that candidate stood
	ReadyIndex     int64  `json:"ready_index,omitempty"`     // of it
	CharterEntry   []byte `json:"charter_entry,omitempty"`   // that began the epoch; nil in the first
	CharterIndex   int64  `json:"charter_index,omitempty"`   // of it
	PublishEntry   Entry  `json:"publish_entry,omitzero"`    // of the newest version
	PublishIndex   int64  `json:"publish_index,omitempty"`   // of it
	OutcomeEntry   []byte `json:"outcome_entry,omitempty"`   // that says what followed from the candidate opened last
	OutcomeIndex   int64  `json:"outcome_index,omitempty"`   // of it
}

// memoVersion changes when the same entries give another encoding. A field that is left
// out while it is zero does not: logs without it encode as before.
const memoVersion = 1

type encodedMemo struct {
	V int `json:"v"`
	Memo
}

// Encode returns the canonical bytes of a Memo.
func (m Memo) Encode() []byte { return federation.Encode(encodedMemo{memoVersion, m}) }

// DecodeMemo reads canonical bytes. Whether they are those of a log is for its signer, or
// a replay, to say.
func DecodeMemo(b []byte) (Memo, error) {
	e, err := federation.Decode[encodedMemo](b, MaxMemoBytes)
	if err == nil && e.V != memoVersion {
		err = fmt.Errorf("state of format %d: this program reads %d", e.V, memoVersion)
	}
	if err == nil {
		err = e.State.Charter.Validate()
	}
	if err == nil {
		err = Invariants(e.State)
	}
	if err != nil {
		return Memo{}, fmt.Errorf("decode state: %w", err)
	}
	return e.Memo, nil
}

// Apply returns the Memo after a committed entry, which is number Size. Errors are those
// of [Apply]; also a state entry must name the Memo that it meets.
func (m Memo) Apply(e Entry) (Memo, error) {
	if e.Kind == Stated {
		if have := federation.Sum(m.Encode()); e.Blob != have {
			return m, fmt.Errorf("%w: it names state %s, the entries before it give %s", ErrEntry, e.Blob.Short(), have.Short())
		}
	}
	state, err := Apply(m.State, e)
	if err != nil {
		return m, err
	}
	next := m
	next.State = state
	if e.Kind == Candidate {
		next.CandidateEntry, next.CandidateIndex = e.Encode(), m.Size
	}
	if !m.State.Stands() && state.Stands() {
		next.ReadyEntry, next.ReadyIndex = e.Encode(), m.Size
	}
	if e.Kind == CharterSet {
		next.CharterEntry, next.CharterIndex = e.Encode(), m.Size
		next.CandidateEntry, next.CandidateIndex, next.ReadyEntry, next.ReadyIndex = nil, 0, nil, 0
	}
	if e.Kind == Publish && e.Version > 0 {
		next.PublishEntry, next.PublishIndex = e, m.Size
	}
	if e.Kind == Publish || e.Kind == Abandon && e.Failed {
		next.OutcomeEntry, next.OutcomeIndex = e.Encode(), m.Size
	}
	next.Size++
	return next, nil
}

// Stood reports whether the candidate stands since the entry of this index.
func (m Memo) Stood(index int64) bool {
	return m.ReadyEntry != nil && m.ReadyIndex == index && m.State.Stands()
}

// StateEntry returns the entry that names a Memo, and its bytes, the blob to store first.
func StateEntry(m Memo, w When) (Entry, []byte) {
	blob := m.Encode()
	e := entry(Stated, w)
	e.Blob = federation.Sum(blob)
	return e, blob
}
