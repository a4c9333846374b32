package opening

import (
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/models"
)

// Card is what follows from the log about the version that a publish entry names.
func Card(h federation.Header, result Result, e round.Entry, index int64) models.Card {
	return models.Card{V: 1, Federation: h.Federation, Version: e.Version, Plan: h.Plan, Base: h.Base,
		Snapshot: e.Snapshot, Parameters: e.Parameters, Round: e.Round, Kind: string(h.Kind),
		Cohort: result.Submitters, LogIndex: index, Charter: h.Charter, Time: e.Time}
}
