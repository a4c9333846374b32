package audit

import (
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// Status says how far what a round published could be checked.
type Status string

// Statuses of a replay.
const (
	Rederived   Status = "re-derived"   // from the ciphertexts of the hospitals
	SumAttested Status = "sum attested" // from the stored sum: the round expired and the ciphertexts are gone
	Missing     Status = "missing"      // not at all, or ciphertexts are gone that did not expire
)

// ReplayReport is what Replay re-derived.
type ReplayReport struct {
	Log
	Versions    []Version    `json:"versions"`
	Evaluations []Evaluation `json:"evaluations"`
}

// Version is a model version.
type Version struct {
	Entry    int64                `json:"entry"` // of the log, that publishes it and attests the sum
	Number   uint64               `json:"number"`
	Round    uint64               `json:"round"`
	Kind     federation.RoundKind `json:"kind"`
	Base     uint64               `json:"base"` // version that it was made from, 0 if none
	Status   Status               `json:"status"`
	Snapshot federation.Digest    `json:"snapshot"`
	Cohort   int                  `json:"cohort"` // hospitals in the sum; 0 when missing
	Stored   bool                 `json:"stored"` // its snapshot is in the store, with the same bytes
}

// Evaluation is the score of a version.
type Evaluation struct {
	Entry    int64    `json:"entry"`
	Version  uint64   `json:"version"`
	Round    uint64   `json:"round"`
	Status   Status   `json:"status"`
	Cohort   int      `json:"cohort"`   // 0 when missing
	Accuracy float64  `json:"accuracy"` // 0 when missing
	AUC      *float64 `json:"auc"`      // nil with a single class, or when missing

	Month federation.Month `json:"month,omitempty"` // that it is of; "": all records
}

func (r *ReplayReport) evaluated(v Version, month federation.Month, e *opening.Evaluation) {
	out := Evaluation{Entry: v.Entry, Version: v.Base, Round: v.Round, Month: month, Status: v.Status, Cohort: v.Cohort}
	if e != nil {
		out.Accuracy, out.AUC = e.Accuracy, e.AUC
	}
	r.Evaluations = append(r.Evaluations, out)
}

// judge takes back what rests on a stored sum although the round's ciphertexts should be
// there: expired is the last round that the log lets go.
func (r *ReplayReport) judge(expired uint64) {
	for i, v := range r.Versions {
		if v.Status == SumAttested && v.Round > expired {
			r.Versions[i].Status, r.Versions[i].Cohort = Missing, 0
		}
	}
	for i, e := range r.Evaluations {
		if e.Status == SumAttested && e.Round > expired {
			r.Evaluations[i] = Evaluation{Entry: e.Entry, Version: e.Version, Round: e.Round, Month: e.Month, Status: Missing}
		}
	}
}

// words is a status with the entry that attests a sum.
func (s Status) words(entry int64) string {
	if s == SumAttested {
		return fmt.Sprintf("%s at entry %d", s, entry)
	}
	return string(s)
}

// Count is how many versions and evaluations have a status.
func (r ReplayReport) Count(s Status) (versions, evaluations int) {
	for _, v := range r.Versions {
		if v.Status == s {
			versions++
		}
	}
	for _, e := range r.Evaluations {
		if e.Status == s {
			evaluations++
		}
	}
	return versions, evaluations
}

// Text is the report in lines of plain words: whose log it is, one a version, one an
// evaluation, a total, and the anchors.
func (r ReplayReport) Text() []string {
	lines := r.identity()
	for _, v := range r.Versions {
		line := fmt.Sprintf("version %d  round %d  %s  %s  %d hospitals  snapshot %s", v.Number, v.Round, v.Kind, v.Status.words(v.Entry), v.Cohort, v.Snapshot.Short())
		if !v.Stored {
			line += "  (not in the store)"
		}
		lines = append(lines, line)
	}
	for _, e := range r.Evaluations {
		line := fmt.Sprintf("score of version %d", e.Version)
		if e.Month != "" {
			line += fmt.Sprintf(" by month %s", e.Month)
		}
		line += fmt.Sprintf("  round %d  %s", e.Round, e.Status.words(e.Entry))
		if e.Status != Missing {
			line += fmt.Sprintf("  %d hospitals  accuracy %.4f  AUC %s", e.Cohort, e.Accuracy, score(e.AUC))
		}
		lines = append(lines, line)
	}
	total := "in all"
	for _, s := range []Status{Rederived, SumAttested, Missing} {
		versions, evaluations := r.Count(s)
		total += fmt.Sprintf("  %s: %d versions, %d scores", s, versions, evaluations)
	}
	return append(append(lines, total, "cosigned    "+r.cosignedText()), r.anchors()...)
}

// score prints an AUC, which a single class does not have.
func score(auc *float64) string {
	if auc == nil {
		return "–"
	}
	return fmt.Sprintf("%.4f", *auc)
}
