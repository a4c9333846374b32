package federation

import "fmt"

// What an update of a train round weighs. With records a reader of the log learns the count
// of a hospital that misses a round, from the difference of two total weights; bands are
// declared in every submission, and equal weights say nothing.
const (
	WeightRecords = ""      // eligible records, at most WeightCap; a plan file says records
	WeightBands   = "bands" // the greatest power of two that is not above them
	WeightEqual   = "equal" // 1
)

// WeightOf is the weight of a hospital with so many eligible records.
func (p Privacy) WeightOf(records int) int {
	records = max(0, min(records, p.WeightCap))
	switch {
	case p.Weight == WeightBands:
		return PowerDown(records)
	case p.Weight == WeightEqual && records > 0:
		return 1
	}
	return records
}

// LeastWeight and MostWeight are those that a hospital which does not decline can have.
func (p Privacy) LeastWeight() int { return p.WeightOf(p.MinRecords) }

// MostWeight: see LeastWeight. The fields of a change are parts of it.
func (p Privacy) MostWeight() int { return p.WeightOf(p.WeightCap) }

// Band is the weight that a hospital with so many eligible records declares in its
// submission; 0 where the plan's rounds of that kind want none.
func (p Plan) Band(kind RoundKind, records int) int {
	if kind != Train || p.Privacy.Weight != WeightBands {
		return 0
	}
	return p.Privacy.WeightOf(records)
}

// CheckBand reports whether a submission of a round declares a band that there is, where the
// plan wants one.
func (p Plan) CheckBand(kind RoundKind, s Submission) error {
	least := p.Band(kind, p.Privacy.MinRecords)
	switch {
	case least == 0 && s.Band != 0:
		return fmt.Errorf("submission of %s: %w: band %d, want none", s.Hospital, ErrMessage, s.Band)
	case s.Band < least || s.Band != p.Band(kind, s.Band):
		return fmt.Errorf("submission of %s: %w: band %d, want a power of two from %d to %d", s.Hospital, ErrMessage, s.Band, least, p.Privacy.MostWeight())
	}
	return nil
}

// MostSteps is how many steps a hospital with so many records takes in a round. With fednova they
// are at most those of WeightCap records: the sum of efforts has a bound that follows from the plan.
func (p Plan) MostSteps(records int) int {
	if p.Aggregation.Rule == FedNova {
		records = min(records, p.Privacy.WeightCap)
	}
	return p.Local.StepsOf(records)
}

// LeastEffort and FullEffort are what one hospital's ‖a‖₁ lies between with a rule that counts
// steps: those of MinRecords with as little partial work as is allowed, and of WeightCap.
func (p Plan) LeastEffort() float64 {
	return p.EffortOf(p.Local.leastSteps(p.Local.StepsOf(p.Privacy.MinRecords)))
}

// WeightWords says in one sentence what the weights of a plan show.
func (p Privacy) WeightWords() string {
	switch p.Weight {
	case WeightBands:
		return "bands: each hospital declares the power of two below its count, for every reader of the log"
	case WeightEqual:
		return "equal: it says nothing of the number of records, and a small hospital counts like a large one"
	}
	return "records: a reader of the log learns the count of a hospital that misses one round"
}
