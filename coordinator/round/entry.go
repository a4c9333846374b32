package round

import (
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// EntryKind says what an entry records.
type EntryKind string

// Entry kinds.
const (
	Genesis    EntryKind = "genesis"   // Blob: charter. Attachment: countersignatures
	Lead       EntryKind = "lead"      // Epoch: of the writer from here on
	PlanSet    EntryKind = "plan"      // Blob: plan. Schedule: its schedule
	Open       EntryKind = "open"      // Blob: header. Part: the month that it evaluates
	Join       EntryKind = "join"      // Blob: signed Join. Instance, Counter: its own
	Collect    EntryKind = "collect"   // Blob: manifest
	Update     EntryKind = "update"    // Blob: signed Submission, acknowledged by this entry
	Discard    EntryKind = "discard"   // Blob: signed Submission that came too late
	Refuse     EntryKind = "refuse"    // Hospital, Role, Reason: what was refused of a hospital, by the coordinator's word
	Declined   EntryKind = "decline"   // Blob: signed Decline
	Candidate  EntryKind = "candidate" // Blob: Candidate. Hospitals: whom it leaves out of the one before. Bytes: of what it sums
	Ready      EntryKind = "ready"     // Blob: signed Ready. Hospitals: whose envelopes were unreadable
	Vouched    EntryKind = "vouch"     // Blob: signed Vouch
	Fetch      EntryKind = "fetch"     // Blob: Candidate. Hospitals: whose vouch is not waited for, whose ciphertexts custodians fetch
	Send       EntryKind = "send"      // Blob: signed Send
	Derived    EntryKind = "derived"   // Blob: signed Derived. Reason: where it is not what the log says
	Burn       EntryKind = "burn"      // Blob: signed Burn
	Publish    EntryKind = "publish"   // Blob: result. Version and snapshot where there is a new one
	Abandon    EntryKind = "abandon"   // Reason
	Finish     EntryKind = "finish"    // Reason
	CharterSet EntryKind = "charter"   // Blob: charter. Attachment: countersignatures. Epoch: of the writer from here on. Reason: of the round that it ends
	Expire     EntryKind = "expire"    // Round: its ciphertexts, and those of all before it, may be retired
	Stated     EntryKind = "state"     // Blob: the Memo before it, the first entry of its batch
)

// Entry is one state change; its canonical JSON is a leaf of the log.
type Entry struct {
	V          int                     `json:"v"` // 1
	Kind       EntryKind               `json:"kind"`
	Time       string                  `json:"time"` // RFC 3339, UTC; of the decision, by the coordinator's clock
	Epoch      uint64                  `json:"epoch,omitempty"`
	Round      uint64                  `json:"round,omitempty"`
	RoundKind  federation.RoundKind    `json:"round_kind,omitempty"`
	Questions  federation.Digest       `json:"questions,omitzero"` // SHA-256 of the canonical list
	Part       federation.Month        `json:"part,omitempty"`
	Hospital   federation.HospitalID   `json:"hospital,omitempty"`
	Role       string                  `json:"role,omitempty"`
	Blob       federation.Digest       `json:"blob,omitzero"`
	Attachment federation.Digest       `json:"attachment,omitzero"`
	Manifest   federation.Digest       `json:"manifest,omitzero"` // derived: the manifest it is about
	Instance   federation.Digest       `json:"instance,omitzero"` // incarnation of a join
	Counter    uint64                  `json:"counter,omitempty"` // of a join
	Deadline   string                  `json:"deadline,omitempty"`
	Seconds    int                     `json:"seconds,omitempty"`    // open: for updates, where the plan leaves it to the machine
	Capability federation.Capability   `json:"capability,omitzero"`  // of a join
	Lacks      federation.Columns      `json:"lacks,omitempty"`      // of a join
	Releases   []federation.Digest     `json:"releases,omitempty"`   // of a join
	Bytes      int64                   `json:"bytes,omitempty"`      // candidate: of the ciphertexts that it sums
	Pinned     bool                    `json:"pinned,omitempty"`     // collect: S is fixed by an earlier round on the same question
	Failed     bool                    `json:"failed,omitempty"`     // abandon: the sum is open and no group of it holds
	Skipped    bool                    `json:"skipped,omitempty"`    // abandon: an evaluation that the schedule counts as done
	Short      bool                    `json:"short,omitempty"`      // abandon: too few that have a column were left, without Hospitals
	Hospitals  []federation.HospitalID `json:"hospitals,omitempty"`  // candidate, abandon: left out; ready: unreadable; publish: custodians whose share sums were used
	Custodians []federation.HospitalID `json:"custodians,omitempty"` // publish: custodians whose share sums were wrong
	Groups     []int                   `json:"groups,omitempty"`     // publish: groups that are part of the aggregate
	Schedule   *federation.Schedule    `json:"schedule,omitempty"`
	Rule       *federation.Aggregation `json:"rule,omitempty"`   // plan: its rule, where that compares groups
	Origin     *Origin                 `json:"origin,omitempty"` // plan: what it begins with, where that is not the newest version
	Version    uint64                  `json:"version,omitempty"`
	Snapshot   federation.Digest       `json:"snapshot,omitzero"`
	Parameters federation.Digest       `json:"parameters,omitzero"`
	Sketch     *federation.Sketch      `json:"sketch,omitempty"` // publish: of the version, where the charter has a guard
	Metric     *float64                `json:"metric,omitempty"` // publish: the stop rule's, of an evaluation
	Reason     string                  `json:"reason,omitempty"`
}

// ErrEntry: the entry cannot follow the state it met.
var ErrEntry = errors.New("entry does not fit")

// Encode returns the entry's canonical bytes.
func (e Entry) Encode() []byte { return federation.Encode(e) }

// DecodeEntry reads canonical bytes; an unknown kind or version stops the reader.
func DecodeEntry(b []byte) (Entry, error) {
	e, err := federation.Decode[Entry](b, MaxEntryBytes)
	if err != nil {
		return Entry{}, err
	}
	if e.V != 1 {
		return Entry{}, fmt.Errorf("entry of format %d: this program reads 1", e.V)
	}
	if _, ok := appliers[e.Kind]; !ok {
		return Entry{}, fmt.Errorf("entry of unknown kind %q: a newer program wrote it", e.Kind)
	}
	if _, err := federation.ParseTime(e.Time); err != nil {
		return Entry{}, fmt.Errorf("entry %s: %w", e.Kind, err)
	}
	return e, nil
}
