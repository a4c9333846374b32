package federation

import "math/bits"

// DeadlineAuto has the deadline of updates follow from what earlier rounds took.
const DeadlineAuto = "auto"

// Deadline says how long a train round waits for updates. The zero Deadline is
// Schedule.UpdateSeconds for every round.
type Deadline struct {
	Mode     string  `json:"mode,omitempty"`          // DeadlineAuto
	Least    int     `json:"least_seconds,omitempty"` // at least; at most UpdateSeconds
	Quantile float64 `json:"quantile,omitempty"`      // the share of a round's hospitals that the deadline is made for
	Factor   float64 `json:"factor,omitempty"`        // times what these took
}

// Auto reports whether the deadline follows from earlier rounds.
func (d Deadline) Auto() bool { return d.Mode == DeadlineAuto }

func (d Deadline) validate(most int) error {
	if d == (Deadline{}) {
		return nil
	}
	switch {
	case !d.Auto():
		return bad("schedule.deadline.mode", "%q: want %s, or no deadline for update_seconds in every round", d.Mode, DeadlineAuto)
	case d.Least < 1 || d.Least > most:
		return bad("schedule.deadline.least_seconds", "%d: want 1 to update_seconds (%d)", d.Least, most)
	case !(d.Quantile > 0 && d.Quantile <= 1):
		return bad("schedule.deadline.quantile", "%v: want more than 0 and at most 1", d.Quantile)
	case !(d.Factor >= MinFactor && d.Factor <= MaxFactor):
		return bad("schedule.deadline.factor", "%v: want %v to %v", d.Factor, MinFactor, MaxFactor)
	}
	return nil
}

// UpdateTime is how many seconds hospitals have for their updates in the round that a
// header opens.
func (p Plan) UpdateTime(h Header) int {
	if h.UpdateSeconds > 0 {
		return h.UpdateSeconds
	}
	return p.Schedule.UpdateSeconds
}

// checkUpdateTime: a header has a time of its own where the plan leaves it to the machine,
// within the plan's bounds.
func (p Plan) checkUpdateTime(h Header) error {
	d, s := p.Schedule.Deadline, h.UpdateSeconds
	if !d.Auto() || h.Kind != Train {
		if s != 0 {
			return bad("update_seconds", "%d in the header: the plan fixes it", s)
		}
		return nil
	}
	if s < d.Least || s > p.Schedule.UpdateSeconds {
		return bad("update_seconds", "%d in the header: the plan allows %d to %d", s, d.Least, p.Schedule.UpdateSeconds)
	}
	return nil
}

// Capability is what a hospital says about itself in its Join, if its policy lets it: each
// number a power of two, so that it tells little; 0 where it says nothing.
type Capability struct {
	TrainSeconds int `json:"train_seconds,omitempty"` // that a round's whole training takes, rounded up
	UploadKiB    int `json:"upload_kib,omitempty"`    // a second, rounded down
	MemoryMiB    int `json:"memory_mib,omitempty"`    // rounded down
}

// Valid reports whether every number is 0 or a power of two within bounds.
func (c Capability) Valid() bool {
	for _, n := range []int{c.TrainSeconds, c.UploadKiB, c.MemoryMiB} {
		if n < 0 || n > MaxCapability || n&(n-1) != 0 {
			return false
		}
	}
	return true
}

// PowerUp is the least power of two that is not below n, PowerDown the greatest that is not
// above it, both within what a Capability may say; 0 for n below 1.
func PowerUp(n int) int {
	if n < 1 {
		return 0
	}
	return min(1<<bits.Len(uint(n-1)), MaxCapability)
}

// PowerDown: see PowerUp.
func PowerDown(n int) int {
	if n < 1 {
		return 0
	}
	return min(1<<(bits.Len(uint(n))-1), MaxCapability)
}
