package client

// Report is what a hospital knows of the last version on its own test records; it stays
// in the hospital. AUC is null for a single class; of several labels it is the mean.
type Report struct {
	Hospital      string   `json:"hospital"`
	Federation    string   `json:"federation"`
	Version       uint64   `json:"version"`
	Snapshot      string   `json:"snapshot"`
	Reason        string   `json:"reason"` // why the plan ended
	Rows          int      `json:"rows"`   // eligible training records
	TestRows      int      `json:"test_rows"`
	AUC           *float64 `json:"auc"`
	Accuracy      float64  `json:"accuracy"`
	AUCAlone      *float64 `json:"auc_alone"`
	AccuracyAlone float64  `json:"accuracy_alone"`
	AUCTuned      *float64 `json:"auc_tuned,omitempty"`      // of TunedFile, where the plan fine-tunes
	AccuracyTuned *float64 `json:"accuracy_tuned,omitempty"` // null otherwise
	BytesSent     int64    `json:"bytes_sent"`               // since the state directory was made, as gRPC messages
	Rounds        int      `json:"rounds"`                   // rounds this hospital submitted an update in
}

// Names of the files below Config.State that others may read.
const (
	ReportFile      = "report.json"
	PredictionsFile = "predictions.csv"   // label,score,score_alone of each test record; of several labels a line each, with the label in column "of"
	TunedFile       = "tuned.safetensors" // snapshot: the last version, trained on with this hospital's records
	StatusFile      = "status.json"
)

// Status is what the daemon does or last did, for `atrium hospital status`.
type Status struct {
	Hospital   string `json:"hospital"`
	Pseudonym  string `json:"pseudonym"`
	Federation string `json:"federation"`
	Charter    string `json:"charter"` // digest of the one in force here, for auditors
	Epoch      uint64 `json:"epoch"`   // its number
	Connected  bool   `json:"connected"`
	Heard      string `json:"heard,omitempty"`      // RFC 3339, UTC: when the coordinator was heard of last, to a minute
	Doing      string `json:"doing"`                // a task, or a sentence
	Round      uint64 `json:"round"`                // of the task; 0: of none
	Since      string `json:"since"`                // RFC 3339, UTC
	Removed    string `json:"removed,omitempty"`    // by which charter this hospital is no longer a member
	LastError  string `json:"last_error,omitempty"` // a sentence; of what it does now
	Refused    string `json:"refused,omitempty"`    // what it refused last, when and why
	BytesSent  int64  `json:"bytes_sent"`

	Joined     int     `json:"joined"`                // rounds with a result that it joined in time, since the state directory was made
	LeftOut    int     `json:"left_out"`              // of them, summed without it
	Share      float64 `json:"share,omitempty"`       // of the weight of a train round was its own
	ShareRound uint64  `json:"share_round,omitempty"` // which
}
