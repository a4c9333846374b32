package simulate

import (
	_ "embed"
	"errors"
	"fmt"
	"math"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// Profiles say what kinds of hospitals there are.
type Profiles struct {
	TestShare float64 `json:"test_share"` // of generated records, held back to measure the model
	StartHour float64 `json:"start_hour"` // of a Monday, at which the simulation begins
	Classes   []Class `json:"classes"`
}

// Class is one kind of hospital. Zero values of what is not drawn mean: always there, at once.
type Class struct {
	Name         string       `json:"name"`
	Share        float64      `json:"share"`              // of the hospitals, relative to the other classes'
	Custodians   int          `json:"custodians"`         // how many of the federation's custodians are of this class
	Rows         Drawn        `json:"rows"`               // records of a hospital
	Speed        Drawn        `json:"records_per_second"` // that it trains of the plan's model
	StartMinutes float64      `json:"start_minutes"`      // mean time until its machine begins to train; exponential
	Capability   bool         `json:"capability"`         // its policy lets it say how fast it is when it joins
	Available    Availability `json:"available"`
	Link         Link         `json:"link"`
	Skew         Skew         `json:"skew"`
}

// Drawn is a log-normal quantity.
type Drawn struct {
	Median float64 `json:"median"`
	Spread float64 `json:"spread"` // deviation of the logarithm; 0: all the same
}

// Days on which a machine is on.
const (
	DaysAll       = "all"
	DaysWeek      = "weekdays"
	DaysAlternate = "alternate" // every other day; half of the hospitals on the others
)

// Availability says when a hospital's machine is on. A machine that goes off forgets its
// keys and the work under way.
type Availability struct {
	Days           string  `json:"days"`      // DaysAll, DaysWeek or DaysAlternate; "": all
	FromHour       float64 `json:"from_hour"` // of the day; the same as ToHour: all day
	ToHour         float64 `json:"to_hour"`   // less than FromHour: over midnight
	OutagesPerWeek float64 `json:"outages_per_week"`
	OutageHours    float64 `json:"outage_hours"` // mean
}

// Link is a hospital's line. Transfers go on after it was down.
type Link struct {
	UpMbit      float64 `json:"up_mbit"` // a second
	DownMbit    float64 `json:"down_mbit"`
	LatencyMS   float64 `json:"latency_ms"` // one way
	DropsPerDay float64 `json:"drops_per_day"`
	DropMinutes float64 `json:"drop_minutes"` // mean
}

// Skew says how a hospital's records differ from the others'.
type Skew struct {
	Labels float64 `json:"labels"` // 0: as everywhere; 1: often a single label
	Shift  float64 `json:"shift"`  // of generated features, in their deviations
}

//go:embed profiles.yaml
var builtIn []byte

// BuiltIn is the file of Default, with comments.
func BuiltIn() []byte { return builtIn }

// Default is a federation of a few well-known centres and many county hospitals.
func Default() Profiles {
	p, err := ParseProfiles("built-in profiles", builtIn)
	if err != nil {
		panic(err) // a test reads them
	}
	return p
}

// ParseProfiles reads a file of profiles; errors name file, line, column and key.
func ParseProfiles(file string, b []byte) (Profiles, error) {
	return planfile.Read(file, b, Profiles{TestShare: 0.3, StartHour: 8}, Profiles.Validate)
}

func bad(key, format string, args ...any) error {
	return &federation.PlanError{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// Validate checks every bound; each error is a *federation.PlanError.
func (p Profiles) Validate() error {
	switch {
	case !(p.TestShare > 0 && p.TestShare <= 0.9):
		return bad("test_share", "%v: want more than 0 and at most 0.9", p.TestShare)
	case !(p.StartHour >= 0 && p.StartHour < 24):
		return bad("start_hour", "%v: want 0 or more, and less than 24", p.StartHour)
	case len(p.Classes) == 0 || len(p.Classes) > MaxClasses:
		return bad("classes", "%d classes: want 1 to %d", len(p.Classes), MaxClasses)
	}
	var errs []error
	custodians := 0
	seen := map[string]bool{}
	for i, c := range p.Classes {
		key := fmt.Sprintf("classes[%d].", i)
		if seen[c.Name] {
			errs = append(errs, bad(key+"name", "%q appears twice", c.Name))
		}
		seen[c.Name] = true
		custodians += c.Custodians
		errs = append(errs, c.validate(key))
	}
	if custodians != 0 && (custodians < 3 || custodians > federation.MaxCustodians) {
		errs = append(errs, bad("classes", "%d custodians together: want 3 to %d, or none to have them chosen", custodians, federation.MaxCustodians))
	}
	return errors.Join(errs...)
}

func (c Class) validate(key string) error {
	if !federation.ValidName(c.Name) {
		return bad(key+"name", "%q: want 1 to %d of a-z, 0-9 and -", c.Name, federation.MaxName)
	}
	switch c.Available.Days {
	case "", DaysAll, DaysWeek, DaysAlternate:
	default:
		return bad(key+"available.days", "%q: want %s, %s or %s", c.Available.Days, DaysAll, DaysWeek, DaysAlternate)
	}
	for _, r := range []struct {
		key       string
		value     float64
		low, high float64
	}{
		{"share", c.Share, 1e-6, 1e6},
		{"custodians", float64(c.Custodians), 0, federation.MaxCustodians},
		{"rows.median", c.Rows.Median, 1, maxRows},
		{"rows.spread", c.Rows.Spread, 0, maxSpread},
		{"records_per_second.median", c.Speed.Median, 1e-6, 1e12},
		{"records_per_second.spread", c.Speed.Spread, 0, maxSpread},
		{"start_minutes", c.StartMinutes, 0, 1e5},
		{"available.from_hour", c.Available.FromHour, 0, 24},
		{"available.to_hour", c.Available.ToHour, 0, 24},
		{"available.outages_per_week", c.Available.OutagesPerWeek, 0, 1000},
		{"available.outage_hours", c.Available.OutageHours, 0, 1e4},
		{"link.up_mbit", c.Link.UpMbit, 0.001, 1e6},
		{"link.down_mbit", c.Link.DownMbit, 0.001, 1e6},
		{"link.latency_ms", c.Link.LatencyMS, 0, 1e5},
		{"link.drops_per_day", c.Link.DropsPerDay, 0, 1e4},
		{"link.drop_minutes", c.Link.DropMinutes, 0, 1e5},
		{"skew.labels", c.Skew.Labels, 0, 1},
		{"skew.shift", c.Skew.Shift, 0, 10},
	} {
		if !(r.value >= r.low && r.value <= r.high) {
			return bad(key+r.key, "%v: want %v to %v", r.value, r.low, r.high)
		}
	}
	a, l := c.Available, c.Link
	switch {
	case (a.OutagesPerWeek > 0) != (a.OutageHours > 0):
		return bad(key+"available.outage_hours", "%v outages a week of %v hours: want both above 0, or neither", a.OutagesPerWeek, a.OutageHours)
	case (l.DropsPerDay > 0) != (l.DropMinutes > 0):
		return bad(key+"link.drop_minutes", "%v drops a day of %v minutes: want both above 0, or neither", l.DropsPerDay, l.DropMinutes)
	}
	return nil
}

// leastConcentration is the concentration of the Dirichlet distribution at Skew.Labels 1.
const leastConcentration = 0.2

// concentration is that of the Dirichlet distribution of a hospital's labels around
// everyone's; +Inf: none.
func (s Skew) concentration() float64 {
	if s.Labels == 0 {
		return math.Inf(1)
	}
	return leastConcentration / (s.Labels * s.Labels)
}
