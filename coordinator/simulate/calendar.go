package simulate

import (
	"math/rand/v2"
	"sort"
	"time"
)

const day = 24 * time.Hour

// failures are random intervals without something: of exponential distance and length, one
// after the other, drawn as far as anyone looks.
type failures struct {
	rng          *rand.Rand
	gap, length  time.Duration // means; gap 0: none ever
	starts, ends []time.Duration
}

// at reports whether t lies in an interval, and until when the answer holds.
func (f *failures) at(t time.Duration) (failed bool, until time.Duration) {
	if f.gap == 0 {
		return false, MaxTime
	}
	for len(f.ends) == 0 || f.ends[len(f.ends)-1] <= t {
		from := time.Duration(0)
		if n := len(f.ends); n > 0 {
			from = f.ends[n-1]
		}
		start := from + exponential(f.rng, f.gap)
		f.starts, f.ends = append(f.starts, start), append(f.ends, start+exponential(f.rng, f.length))
	}
	i := sort.Search(len(f.ends), func(i int) bool { return f.ends[i] > t })
	if t < f.starts[i] {
		return false, f.starts[i]
	}
	return true, f.ends[i]
}

// exponential is at least a second, so that time passes.
func exponential(rng *rand.Rand, mean time.Duration) time.Duration {
	return time.Second + time.Duration(rng.ExpFloat64()*float64(mean))
}

// calendar says when a hospital's machine is on and its line is up, by time since start.
type calendar struct {
	Availability
	begin   time.Duration // of the simulation, since the midnight that began its Monday
	odd     bool          // of alternate days, those with an odd number
	outages failures      // of the machine
	drops   failures      // of the line
}

// at reports whether the machine is on and the line is up, and until when both answers
// hold at least.
func (c *calendar) at(t time.Duration) (on, up bool, until time.Duration) {
	scheduled, a := c.scheduled(t)
	out, b := c.outages.at(t)
	down, e := c.drops.at(t)
	on = scheduled && !out
	return on, on && !down, min(a, b, e)
}

func (c *calendar) scheduled(t time.Duration) (on bool, until time.Duration) {
	clock := c.begin + t
	number, hour := int(clock/day), clock%day
	from, to := hours(c.FromHour), hours(c.ToHour)
	until = day
	for _, edge := range []time.Duration{from, to} {
		if edge > hour {
			until = min(until, edge)
		}
	}
	until += time.Duration(number)*day - c.begin
	switch {
	case c.Days == DaysWeek && number%7 >= 5, c.Days == DaysAlternate && (number%2 == 1) != c.odd:
		return false, until
	case from == to:
		return true, until
	case from < to:
		return hour >= from && hour < to, until
	}
	return hour >= from || hour < to, until
}

func hours(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }

// works returns when work that needs the machine, and the line if online, is done if it
// begins at t and goes on after interruptions; MaxTime at the latest.
func (c *calendar) works(t, work time.Duration, online bool) time.Duration {
	for t < MaxTime {
		on, up, until := c.at(t)
		if (online && up) || (!online && on) {
			if until-t >= work {
				return t + work
			}
			work -= until - t
		}
		t = until
	}
	return MaxTime
}
