package federation

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Signed is a message as it travels and as it is stored: canonical body, signer and
// Ed25519 signature (privacy/envelope fixes what is signed). Its own canonical bytes
// are the blob that a log entry names.
type Signed struct {
	Signer    HospitalID `json:"signer"`
	Body      []byte     `json:"body"`
	Signature []byte     `json:"signature"`
}

// Digest names the signed message.
func (s Signed) Digest() Digest { return Sum(Encode(s)) }

// DecodeSigned reads the canonical bytes of a signed message; the signature is not
// checked.
func DecodeSigned(b []byte) (Signed, error) { return Decode[Signed](b, MaxMessageBytes) }

// Join says: I take part in this round, and this is the one-round key that shares for
// me are sealed to.
type Join struct {
	V           int        `json:"v"` // 1
	Header      Digest     `json:"header"`
	Hospital    HospitalID `json:"hospital"`
	Cosignature string     `json:"cosignature"` // of the header's checkpoint, a signed-note line
	Counter     uint64     `json:"counter"`     // durable, grows with every Join
	Incarnation Digest     `json:"incarnation"` // random, fresh with every start of the daemon
	Key         []byte     `json:"key"`         // HPKE public key of a custodian, else empty
	Capability  Capability `json:"capability,omitzero"`
	Releases    []Digest   `json:"releases,omitempty"` // manifests of earlier openings that this hospital's people released for the header's plan, sorted
	Lacks       Columns    `json:"lacks,omitempty"`    // of which it has fewer measured training records than the plan's min_records
}

// Manifest is what is fixed when Collecting starts.
type Manifest struct {
	V            int               `json:"v"` // 1
	Header       Digest            `json:"header"`
	Groups       [][]HospitalID    `json:"groups"` // the cohort within each group of the charter, sorted
	Joins        []Signed          `json:"joins"`  // of everyone who joined, sorted by signer
	Certificates []BurnCertificate `json:"certificates"`
	Masked       []Columns         `json:"masked,omitempty"` // by group, what counts there as measured by nobody; none: nothing

	// What explains a cohort that was drawn; see CheckCohort.
	Declines []Signed `json:"declines,omitempty"` // of hospitals that joined and send no update, sorted by signer
	Pin      Digest   `json:"pin,omitzero"`       // manifest on the same question under which the cohort was asked before
}

// BurnCertificate collects burns of one earlier manifest of the same question.
type BurnCertificate struct {
	Manifest Digest   `json:"manifest"`
	Burns    []Signed `json:"burns"` // sorted by signer
}

// Digest names the manifest.
func (m Manifest) Digest() Digest { return Sum(Encode(m)) }

// DecodeManifest reads canonical bytes. CheckManifest judges the values.
func DecodeManifest(b []byte) (Manifest, error) { return Decode[Manifest](b, MaxManifestBytes) }

// Submission names one encrypted update and its envelopes.
type Submission struct {
	V         int        `json:"v"` // 1
	Manifest  Digest     `json:"manifest"`
	Hospital  HospitalID `json:"hospital"`
	Group     int        `json:"group"`
	Segments  []Digest   `json:"segments"`       // of the ciphertext, in order
	Envelopes []Digest   `json:"envelopes"`      // by custodian of the charter; zero where none was sealed
	Band      int        `json:"band,omitempty"` // its weight, where the plan has weights declared; see Plan.CheckBand
}

// UpdateRoot commits to the ciphertext.
func (s Submission) UpdateRoot() Digest { return ListRoot("segments", s.Segments) }

// Candidate is what is opened if it is opened: by group of the charter who is summed and by
// which signed submission, sorted by hospital, and C, what these add up to. A dropped group
// is empty. It is fixed in the log before anyone gives a share sum.
type Candidate struct {
	V        int           `json:"v"` // 1
	Manifest Digest        `json:"manifest"`
	Groups   [][]Submitter `json:"groups"`
	Sums     []Digest      `json:"sums"` // C by group: the blob that lists the segments of the sum of its ciphertexts; zero for a dropped group
}

// Submitter is one member of S.
type Submitter struct {
	Hospital   HospitalID `json:"hospital"`
	Submission Digest     `json:"submission"` // digest of the Signed submission
}

// Digest names the candidate.
func (c Candidate) Digest() Digest { return Sum(Encode(c)) }

// DecodeCandidate reads canonical bytes. CheckCandidate judges the values.
func DecodeCandidate(b []byte) (Candidate, error) { return Decode[Candidate](b, MaxManifestBytes) }

// Set lists S, the hospitals that are summed, by group.
func (c Candidate) Set() [][]HospitalID {
	set := make([][]HospitalID, len(c.Groups))
	for g, group := range c.Groups {
		set[g] = []HospitalID{}
		for _, m := range group {
			set[g] = append(set[g], m.Hospital)
		}
	}
	return set
}

// Within reports whether every member of c is one of whole, by the same submission.
func (c Candidate) Within(whole Candidate) bool {
	return c.Manifest == whole.Manifest && len(c.Groups) == len(whole.Groups) &&
		!slices.ContainsFunc(c.Groups, func(group []Submitter) bool {
			return slices.ContainsFunc(group, func(m Submitter) bool {
				return !slices.ContainsFunc(whole.Groups, func(g []Submitter) bool { return slices.Contains(g, m) })
			})
		})
}

// SetDigest names a set of hospitals by group, whatever they submitted and whatever the
// groups are called: empty groups and the order of groups do not count, so a name also
// holds in an epoch that has other groups beside them.
func SetDigest(set [][]HospitalID) Digest {
	kept := slices.DeleteFunc(slices.Clone(set), func(g []HospitalID) bool { return len(g) == 0 })
	slices.SortFunc(kept, func(a, b []HospitalID) int { return compareIDs(a[0], b[0]) })
	return Sum(Encode(kept))
}

// AsksDigest names what opening a candidate answers: its questions for its S.
func AsksDigest(questions []string, set Digest) Digest {
	return Sum(Encode(struct {
		Questions []string `json:"questions"`
		Set       Digest   `json:"set"`
	}{questions, set}))
}

// Ready is a custodian's word on a candidate: it checked all of it and holds its share sum
// for exactly this on its disk, or it could not read some envelopes, or found no valid share
// in them. It binds nothing.
type Ready struct {
	V           int          `json:"v"` // 1
	Manifest    Digest       `json:"manifest"`
	Candidate   Digest       `json:"candidate"`
	Asks        Digest       `json:"asks"` // AsksDigest of the header's questions and S
	Custodian   HospitalID   `json:"custodian"`
	Unreadable  []HospitalID `json:"unreadable"`  // sorted; empty: ready
	Checkpoint  TreeHead     `json:"checkpoint"`  // that includes the entry which names the candidate
	Cosignature string       `json:"cosignature"` // of that checkpoint
}

// Send names a custodian's share sums over S, one a group, zero for a dropped group. It
// binds the custodian for ever: it sends for nothing else on this question.
type Send struct {
	V           int        `json:"v"` // 1
	Manifest    Digest     `json:"manifest"`
	Candidate   Digest     `json:"candidate"`
	Custodian   HospitalID `json:"custodian"`
	ShareSums   []Digest   `json:"share_sums"`
	Checkpoint  TreeHead   `json:"checkpoint"`  // that includes the readies of t custodians
	Cosignature string     `json:"cosignature"` // of that checkpoint
}

// Vouch is the fingerprint of a hospital's own ciphertext (privacy/he), at points that follow
// from the checkpoint that holds the candidate.
type Vouch struct {
	V           int        `json:"v"` // 1
	Manifest    Digest     `json:"manifest"`
	Candidate   Digest     `json:"candidate"`
	Hospital    HospitalID `json:"hospital"`
	Checkpoint  TreeHead   `json:"checkpoint"`
	Fingerprint []byte     `json:"fingerprint"`
}

// Derived is a custodian's word on what followed from an opened candidate: it computed this
// itself, from the base, C and the share sums.
type Derived struct {
	V          int        `json:"v"` // 1
	Round      uint64     `json:"round"`
	Manifest   Digest     `json:"manifest"`
	Candidate  Digest     `json:"candidate"`
	Custodian  HospitalID `json:"custodian"`
	Result     Digest     `json:"result,omitzero"` // zero: no group held
	Plan       Digest     `json:"plan"`            // of the round
	Version    uint64     `json:"version,omitempty"`
	Snapshot   Digest     `json:"snapshot,omitzero"`
	Parameters Digest     `json:"parameters,omitzero"`
	Steps      uint64     `json:"steps,omitempty"` // train rounds that Version went through
}

// Burn is a custodian's promise: I sent nothing under this manifest, its key, shares and
// share sums are erased, and I never will.
type Burn struct {
	V         int        `json:"v"` // 1
	Manifest  Digest     `json:"manifest"`
	Custodian HospitalID `json:"custodian"`
}

// Roles that a hospital can decline in a round.
const (
	RoleUpdate    = "update"    // it sends no update
	RoleCustodian = "custodian" // it can no longer open its envelopes
)

// ReasonPaused is the reason of a hospital whose people paused everything: it objects to
// nothing.
const ReasonPaused = "policy rule paused"

// Decline says that a hospital does not do its part of a round, and why, in the words
// of its own rules. It saves the others a deadline.
type Decline struct {
	V        int        `json:"v"` // 1
	Header   Digest     `json:"header"`
	Hospital HospitalID `json:"hospital"`
	Role     string     `json:"role"` // RoleUpdate or RoleCustodian
	Reason   string     `json:"reason"`
}

// PublicSeed is the seed that expands to the public polynomials of one group:
// SHA-256(digest(M) ‖ group as 8 bytes, big-endian).
func PublicSeed(manifest Digest, group int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(manifest[:], uint64(group)))
}

// Countersignatures are the members' signatures over a charter's canonical bytes.
type Countersignatures struct {
	V          int                `json:"v"` // 1
	Charter    Digest             `json:"charter"`
	Signatures []Countersignature `json:"signatures"` // sorted by signer
}

// Countersignature is one member's.
type Countersignature struct {
	Signer    HospitalID `json:"signer"`
	Signature []byte     `json:"signature"`
}
