package federation

import "fmt"

// Retention is how long the ciphertexts of a round are kept after its end: until as many
// rounds after it ended too, and as many days after the day of its end are over (UTC, by
// the coordinator's clock). Whatever it says of a round, the log says before anything is
// deleted, and sums, share sums and models stay. The zero value keeps all for ever.
type Retention struct {
	Rounds int `json:"rounds"`
	Days   int `json:"days"`
}

// IsZero reports whether ciphertexts are kept for ever.
func (r Retention) IsZero() bool { return r == Retention{} }

// Validate reports a number that is out of bounds.
func (r Retention) Validate() error {
	if r.Rounds < 0 || r.Rounds > MaxRounds || r.Days < 0 || r.Days > MaxRetentionDays {
		return fmt.Errorf("retention of %d rounds and %d days: want 0 to %d and 0 to %d", r.Rounds, r.Days, MaxRounds, MaxRetentionDays)
	}
	return nil
}

// String says it in words.
func (r Retention) String() string {
	switch {
	case r.IsZero():
		return "for ever"
	case r.Days == 0:
		return fmt.Sprintf("for %d later rounds", r.Rounds)
	case r.Rounds == 0:
		return fmt.Sprintf("for %d days", r.Days)
	}
	return fmt.Sprintf("for %d later rounds and %d days", r.Rounds, r.Days)
}
