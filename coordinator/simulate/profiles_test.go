package simulate

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

func TestBuiltIn(t *testing.T) {
	p := Default()
	if err := p.Validate(); err != nil || len(p.Classes) != 4 {
		t.Errorf("%d classes, %v", len(p.Classes), err)
	}
}

func TestProfileErrors(t *testing.T) {
	good := string(BuiltIn())
	for name, c := range map[string]struct{ from, to, want string }{
		"unknown key": {"test_share: 0.3", "test_shore: 0.3", `p.yaml:4:1: test_shore: unknown key: did you mean "test_share"?`},
		"range":       {"rows: {median: 1500, spread: 0.4}", "rows: {median: 0, spread: 0.4}", `p.yaml:11:20: classes[0].rows.median: 0: want 1 to 1e+07`},
		"word":        {"records_per_second: {median: 4000", "records_per_second: {median: fast", `p.yaml:12:34: classes[0].records_per_second.median: "fast": want a decimal number`},
		"missing":     {"    share: 8 ", "    # share: 8 ", `p.yaml:8:5: classes[0].share: 0: want 1e-06 to 1e+06`},
		"days":        {"days: all  ", "days: some ", `p.yaml:16:13: classes[0].available.days: "some": want all, weekdays or alternate`},
		"half":        {"outage_hours: 2", "outage_hours: 0", `p.yaml:18:21: classes[0].available.outage_hours: 0.1 outages a week of 0 hours: want both above 0, or neither`},
		"twice":       {"name: regional", "name: centre", `p.yaml:22:11: classes[1].name: "centre" appears twice`},
		"custodians":  {"custodians: 7", "custodians: 2", `p.yaml:8:3: classes: 2 custodians together: want 3 to 64, or none to have them chosen`},
	} {
		file := strings.Replace(good, c.from, c.to, 1)
		if file == good {
			t.Fatalf("%s: nothing is replaced", name)
		}
		_, err := ParseProfiles("p.yaml", []byte(file))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
	if _, err := ParseProfiles("p.yaml", nil); err == nil {
		t.Error("an empty file is a set of profiles")
	}
}

func FuzzParseProfiles(f *testing.F) {
	f.Add(BuiltIn())
	f.Add([]byte("classes: [{name: a, share: 1, rows: {median: 2}, records_per_second: {median: 1}, link: {up_mbit: 1, down_mbit: 1}}]"))
	f.Add([]byte("test_share: 2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProfiles("p", b)
		if e := (*planfile.Error)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("error %v is not typed", err)
		}
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("invalid profiles: %v", err)
		}
		for _, h := range Draw(p, 5, 1) {
			if h.Rows < 1 || !(h.Speed > 0) || math.IsInf(h.Speed, 0) {
				t.Errorf("%+v", h)
			}
			if _, _, until := h.calendar(p).at(0); until <= 0 {
				t.Errorf("the calendar of %s stands still", h.Name)
			}
		}
	})
}

func TestDraw(t *testing.T) {
	p := Default()
	list := Draw(p, 122, 7)
	count := make([]int, len(p.Classes))
	for _, h := range list {
		count[h.Class]++
	}
	if diff := cmp.Diff([]int{8, 24, 60, 30}, count); diff != "" || list[8].Name != "regional-1" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{0, 1, 1, 1}, counts(p.Classes, 3)); diff != "" {
		t.Errorf("three hospitals (-want +got):\n%s", diff)
	}
	// Half of many hospitals have more records than the median; false alarm below 1e-5.
	above := 0
	for _, h := range Draw(Profiles{Classes: p.Classes[2:3]}, 4000, 1) {
		if float64(h.Rows) > p.Classes[2].Rows.Median {
			above++
		}
	}
	if above < 2000-150 || above > 2000+150 {
		t.Errorf("%d of 4000 hospitals are above the median", above)
	}
}

// TestLabels: shares add up, their mean is everyone's and their spread grows with the skew;
// false alarms below 1e-5.
func TestLabels(t *testing.T) {
	all := []float64{0.3, 0.7}
	before := -1.0
	for _, skew := range []float64{0, 0.3, 1} {
		mean, square := 0.0, 0.0
		const n = 4000
		for i := range n {
			got := Hospital{seed: 5, index: i}.Labels(Class{Skew: Skew{Labels: skew}}, all)
			if math.Abs(got[0]+got[1]-1) > 1e-9 || got[0] < 0 || got[1] < 0 {
				t.Fatalf("shares %v", got)
			}
			mean += got[0] / n
			square += (got[0] - 0.3) * (got[0] - 0.3) / n
		}
		if math.Abs(mean-0.3) > 0.035 || square <= before {
			t.Errorf("skew %v: mean %v, variance %v after %v", skew, mean, square, before)
		}
		before = square
	}
}

func TestCalendar(t *testing.T) {
	at := func(c calendar, day, hour float64) bool {
		on, _, _ := c.at(hours(24*day+hour) - c.begin)
		return on
	}
	for name, c := range map[string]struct {
		a         Availability
		odd       bool
		day, hour float64
		want      bool
	}{
		"all day":             {Availability{}, false, 3, 3, true},
		"by day":              {Availability{FromHour: 8, ToHour: 18}, false, 1, 8, true},
		"by day, evening":     {Availability{FromHour: 8, ToHour: 18}, false, 1, 18, false},
		"over midnight":       {Availability{FromHour: 20, ToHour: 6}, false, 1, 5.9, true},
		"over midnight, noon": {Availability{FromHour: 20, ToHour: 6}, false, 1, 12, false},
		"friday":              {Availability{Days: DaysWeek}, false, 4, 12, true},
		"saturday":            {Availability{Days: DaysWeek}, false, 5, 12, false},
		"even day":            {Availability{Days: DaysAlternate}, false, 2, 12, true},
		"odd day":             {Availability{Days: DaysAlternate}, false, 3, 12, false},
		"odd day, odd":        {Availability{Days: DaysAlternate}, true, 3, 12, true},
	} {
		if got := at(calendar{Availability: c.a, begin: hours(7), odd: c.odd}, c.day, c.hour); got != c.want {
			t.Errorf("%s: on is %v", name, got)
		}
	}
	c := calendar{Availability: Availability{FromHour: 8, ToHour: 10}, begin: hours(9)}
	if got := c.works(0, 90*time.Minute, false); got != 23*time.Hour+30*time.Minute {
		t.Errorf("an hour today and half of one tomorrow is done after %v", got)
	}
	p := Default()
	h := Draw(p, 122, 1)[20]
	first, second := h.calendar(p), h.calendar(p)
	_, up, until := first.at(1000 * time.Hour) // far ahead, then back: the same answers
	first.at(0)
	if _, up2, until2 := second.at(1000 * time.Hour); up2 != up || until2 != until {
		t.Error("what a calendar says depends on what it was asked before")
	}
}

func TestProfilesAreOfPlanErrors(t *testing.T) {
	var e *federation.PlanError
	if err := (Profiles{}).Validate(); !errors.As(err, &e) || e.Key != "test_share" {
		t.Errorf("%v", err)
	}
}
