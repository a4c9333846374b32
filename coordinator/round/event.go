package round

import (
	"atrium/coordinator/federation"
)

// Event is something that happened: a verified message, a task done, a request of the
// operator. Every message inside was decoded and its signature checked.
type Event interface {
	decide(State, When) ([]Entry, error)
}

// Started opens the log: the charter and its countersignatures are stored.
type Started struct {
	Charter           federation.Digest
	Countersignatures federation.Digest
}

// Led asks for the leadership of the next epoch.
type Led struct{}

// PlanAccepted starts a plan that is stored.
type PlanAccepted struct {
	Plan     federation.Digest
	Schedule federation.Schedule
	Rule     *federation.Aggregation // federation.Plan.Comparing
	Origin   *Origin                 // nil: it goes on from the newest version
}

// HeaderStored completes TaskOpen.
type HeaderStored struct {
	Header federation.Header
	Blob   federation.Digest
}

// JoinVerified is a Join for the round that names its header.
type JoinVerified struct{ federation.VerifiedJoin }

// ManifestStored completes TaskManifest.
type ManifestStored struct{ Manifest federation.VerifiedManifest }

// UpdateVerified is a submission every segment of which is held and read back.
type UpdateVerified struct {
	Submission federation.Submission
	Blob       federation.Digest // of the Signed submission
}

// DeclineVerified is a hospital's word that it does not do its part.
type DeclineVerified struct {
	federation.Decline
	Blob federation.Digest
}

// MessageRefused is what the coordinator could not take from a hospital: bytes that are
// not what it signed, or that do not decode. It changes nothing but what the log says.
type MessageRefused struct {
	Round    uint64
	Hospital federation.HospitalID
	Role     string // RoleUpdate or RoleCustodian
	Reason   string
}

// CandidateStored completes TaskPropose: C of each group is added and stored.
type CandidateStored struct {
	Set   [][]federation.HospitalID
	Blob  federation.Digest // of the Candidate
	Bytes int64             // of all ciphertexts that it sums
}

// ReadyVerified is a custodian's word on the candidate.
type ReadyVerified struct {
	federation.Ready
	Blob federation.Digest
}

// VouchVerified is a submitter's fingerprint of its ciphertext.
type VouchVerified struct {
	federation.Vouch
	Blob federation.Digest
}

// VouchesMissing completes TaskFetch.
type VouchesMissing struct{ Round uint64 }

// SendVerified is what a custodian sends; its share sums are stored.
type SendVerified struct {
	federation.Send
	Blob federation.Digest
}

// BurnVerified is a custodian's burn.
type BurnVerified struct {
	federation.Burn
	Blob federation.Digest
}

// DerivedVerified is what a custodian computed from an opened candidate.
type DerivedVerified struct {
	federation.Derived
	Blob federation.Digest
}

// SumOpened completes TaskPublish: the aggregate was opened and checked, the result and, but
// for an evaluate round, the new snapshot are stored. While a group of S is missing and fewer
// share sums are there than settle that, it changes nothing: more may be what it needs.
type SumOpened struct {
	Round      uint64
	Result     federation.Digest
	Snapshot   federation.Digest // zero for evaluate
	Parameters federation.Digest
	Sketch     *federation.Sketch      // of the snapshot, where the charter has a guard
	Sends      int                     // of custodians that were there
	Final      bool                    // more share sums would open the same
	Groups     []int                   // groups that are part of the aggregate
	Used       []federation.HospitalID // custodians whose share sums were used
	Wrong      []federation.HospitalID // custodians whose share sums disagreed
	Note       string                  // reasons of dropped groups
	Metric     *float64                // the stop rule's, of an evaluate round; nil: it is not defined
}

// OpeningFailed says that no group of the sum holds with what was sent so far.
type OpeningFailed struct {
	Round  uint64
	Sends  int
	Final  bool // more share sums would open the same
	Reason string
}

// SumLost says that an object which the sum needs is gone or damaged.
type SumLost struct {
	Round  uint64
	Reason string
}

// RoundDefeated completes TaskAbandon.
type RoundDefeated struct{ Round uint64 }

// PlanEnded completes TaskFinish.
type PlanEnded struct{}
