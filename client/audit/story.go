package audit

import (
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
)

// History is what happened, in the order of the log.
type History struct {
	Federation string  `json:"federation"`
	Hospitals  int     `json:"hospitals"`
	Threshold  int     `json:"threshold"` // custodians that must answer
	Round      uint64  `json:"round"`
	Events     []Event `json:"events"`
}

// Event is a round, or something that happened between rounds.
type Event struct {
	Time  string `json:"time"`            // RFC 3339, UTC, by the coordinator's clock
	Words string `json:"words,omitempty"` // of what is not a round
	Round *Story `json:"round,omitempty"` // or nil
}

// Story is one round. Hospitals appear by name where the charter shows names, else by
// pseudonym.
type Story struct {
	Number   uint64               `json:"number"`
	Kind     federation.RoundKind `json:"kind"`
	Question string               `json:"question"`
	Base     uint64               `json:"base"`            // version that it is about
	Clips    []float64            `json:"clips,omitempty"` // of each tensor, where the clip follows the aggregate
	Opened   time.Time            `json:"opened"`
	Ended    time.Time            `json:"ended,omitzero"` // zero while it runs
	Phase    round.Phase          `json:"phase"`
	Joined   []string             `json:"joined"` // in the order of the log, once each
	Cohort   int                  `json:"cohort"`
	Asked    []string             `json:"asked,omitempty"`      // the hospitals of the cohort, where a draw left some out
	Updates  time.Duration        `json:"updates_ns,omitempty"` // for updates, where the plan leaves it to the machine
	Masked   []string             `json:"masked,omitempty"`     // columns that count as measured by nobody, by group where there are several
	Pinned   bool                 `json:"pinned"`               // S was fixed by an earlier round on the same question
	Released int                  `json:"released,omitempty"`   // earlier openings of the question that every hospital released
	Burnt    int                  `json:"burnt"`                // earlier rounds on the question that it carries burn certificates for

	Submitted  []string          `json:"submitted"`
	Discarded  []string          `json:"discarded"` // updates that came too late
	Declined   []Declined        `json:"declined"`
	Refused    []Declined        `json:"refused"`        // what the coordinator says it could not take, and why
	Ready      []string          `json:"ready"`          // custodians that checked the candidate and hold their share sums
	Complained []string          `json:"complained"`     // custodians that could not read a submitter
	Dropped    []string          `json:"dropped"`        // submitters whom custodians could not read, or who did not vouch
	Vouched    []string          `json:"vouched"`        // submitters who signed the fingerprint of their ciphertext
	S          []string          `json:"s"`              // who is summed
	Groups     [][]string        `json:"groups"`         // of S, one a group of the charter; a dropped group is empty
	Sent       []string          `json:"sent"`           // custodians that gave their share sums
	Burned     []string          `json:"burned"`         // custodians that promised never to send
	Derived    []string          `json:"derived"`        // custodians that computed the same result
	Disputed   []string          `json:"disputed"`       // custodians that computed another one
	Wrong      []string          `json:"wrong"`          // custodians whose share sums disagree with the result
	Note       string            `json:"note,omitempty"` // reasons of groups that are left out
	Result     *opening.Result   `json:"result,omitempty"`
	Version    uint64            `json:"version,omitempty"`
	Snapshot   federation.Digest `json:"snapshot,omitzero"`
	Reason     string            `json:"reason,omitempty"` // of an abandoned round
	custodians int
}

// Declined is a part that a hospital did not do, and why.
type Declined struct {
	Hospital string `json:"hospital"`
	Role     string `json:"role"`
	Reason   string `json:"reason"`
}

// Duration is from opening to end, by the coordinator's clock; 0 while the round runs.
func (s Story) Duration() time.Duration {
	if s.Ended.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Opened)
}
