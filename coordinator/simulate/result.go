package simulate

import (
	"atrium/coordinator/federation"
)

// Result is what a simulation found out. Nothing in it depends on the machine or on the
// time that it took.
type Result struct {
	Plan       string              `json:"plan"`
	PlanDigest federation.Digest   `json:"plan_digest"`
	Seed       uint64              `json:"seed"`
	Hospitals  int                 `json:"hospitals"`
	Groups     int                 `json:"groups"`
	Custodians int                 `json:"custodians"`
	Threshold  int                 `json:"threshold"`
	MinCohort  int                 `json:"min_cohort"`
	Parameters int                 `json:"parameters"`
	Reason     string              `json:"reason"`                            // why the plan ended
	Days       float64             `json:"days"`                              // virtual
	Lost       string              `json:"without_encryption_lost,omitempty"` // why the line without encryption ended
	Trained    int                 `json:"train_rounds"`
	Abandoned  int                 `json:"abandoned"`
	Up         int64               `json:"bytes_up"` // from hospitals, all together
	Down       int64               `json:"bytes_down"`
	Rounds     []RoundResult       `json:"rounds"`
	Classes    []ClassResult       `json:"classes"`
	Log        federation.TreeHead `json:"log"` // entries, and a hash over all of them
}

// RoundResult is one round of any kind.
type RoundResult struct {
	Number     uint64               `json:"round"`
	Kind       federation.RoundKind `json:"kind"`
	Opened     float64              `json:"opened_days"`
	Ended      float64              `json:"ended_days"`
	Joined     int                  `json:"joined"`
	Cohort     int                  `json:"cohort"`
	Summed     int                  `json:"summed"`
	ByClass    []int                `json:"summed_by_class"`
	Late       int                  `json:"late"`     // updates that came after the candidate was fixed
	Declined   int                  `json:"declined"` // to send an update
	Up         int64                `json:"bytes_up"`
	Down       int64                `json:"bytes_down"`
	Reason     string               `json:"abandoned,omitempty"`  // why
	Metric     *Metric              `json:"metric,omitempty"`     // of the version of a train round
	Evaluation *Scored              `json:"evaluation,omitempty"` // of an evaluate round, from encrypted histograms
}

// Scored is how well a version tells the labels apart. AUC is null for a single class; of
// several labels it is the mean of theirs.
type Scored struct {
	AUC      *float64 `json:"auc"`
	Accuracy float64  `json:"accuracy"`
}

// Metric is how good a version is on the records that all hospitals hold back, whether they
// took part or not, and how far it is from the version without encryption.
type Metric struct {
	Scored
	Exact     *Scored `json:"without_encryption"`  // null once that model was lost
	Greatest  float64 `json:"greatest_difference"` // of a parameter
	Relative  float64 `json:"relative_difference"` // norm of the difference over norm of the model
	Saturated float64 `json:"saturated"`           // coordinates that met the clip in this round
}

// ClassResult is how a class of hospitals fared in train rounds.
type ClassResult struct {
	Name        string  `json:"class"`
	Hospitals   int     `json:"hospitals"`
	Rows        int     `json:"rows"`         // training records, all together
	Present     float64 `json:"present"`      // share of the time in which machine and line were there
	Joined      float64 `json:"joined"`       // hospitals a round, as a share of the class
	Summed      float64 `json:"summed"`       // the same
	Late        float64 `json:"late"`         // the same
	Never       int     `json:"never_summed"` // hospitals
	TrainHours  float64 `json:"train_hours"`  // of machines, all together
	WastedHours float64 `json:"wasted_hours"` // of these, for updates that were not summed
	Up          int64   `json:"bytes_up"`
	Down        int64   `json:"bytes_down"`
}
