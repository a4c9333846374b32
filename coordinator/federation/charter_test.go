package federation

import (
	"errors"
	"strings"
	"testing"
)

func TestNewCharter(t *testing.T) {
	for n := range 3 {
		if _, err := NewCharter("test", "log", testMembers(n), false); !errors.Is(err, ErrCharter) {
			t.Errorf("%d hospitals: %v", n, err)
		}
	}
	for n := 3; n <= 64; n++ {
		c := testCharter(t, n)
		if err := c.Validate(); err != nil || len(c.Custodians) != min(n, 21) {
			t.Errorf("%d hospitals: %d custodians, %v", n, len(c.Custodians), err)
		}
		if again := c.With(Numbers{}); !equal(again, c) {
			t.Errorf("%d hospitals: the defaults are not those of the charter: %+v", n, again)
		}
	}
}

func TestCharterRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Charter)
		want   string
	}{
		"format":                {func(c *Charter) { c.V = 2 }, "format 2"},
		"name":                  {func(c *Charter) { c.Federation = "Test" }, "federation name"},
		"name empty":            {func(c *Charter) { c.Federation = "" }, "federation name"},
		"epoch 0":               {func(c *Charter) { c.Epoch = 0 }, "epoch 0"},
		"epoch 2, no previous":  {func(c *Charter) { c.Epoch = 2 }, "epoch 2"},
		"epoch 1 with previous": {func(c *Charter) { c.Previous = Sum(nil) }, "epoch 1"},
		"log key missing":       {func(c *Charter) { c.LogKey = "" }, "log key"},
		"log key long":          {func(c *Charter) { c.LogKey = strings.Repeat("k", 513) }, "log key"},
		"two hospitals":         {func(c *Charter) { c.Members = c.Members[:2] }, "2 hospitals"},
		"two custodians":        {func(c *Charter) { c.Custodians = c.Custodians[:2] }, "2 custodians"},
		"threshold 0":           {func(c *Charter) { c.Threshold = 0 }, "threshold 0"},
		"threshold above m":     {func(c *Charter) { c.Threshold = 8 }, "threshold 8"},
		"too many t-subsets": {func(c *Charter) {
			*c = testCharter(t, 22)
			c.Custodians = c.Roster()
		}, "threshold 15 of 22 custodians: a wrong share sum is found among all sets of 15"},
		"no hostile":            {func(c *Charter) { c.MaxHostile = 0 }, "max hostile 0"},
		"f = 2t−m":              {func(c *Charter) { c.MaxHostile = 2*c.Threshold - len(c.Custodians) }, "f < 2t−m"},
		"no hostile member":     {func(c *Charter) { c.MaxHostileMembers = 0 }, "max hostile members 0"},
		"h above the roster":    {func(c *Charter) { c.MaxHostileMembers = MaxHospitals + 1 }, "max hostile members"},
		"cohort below h+2":      {func(c *Charter) { c.MinCohort = 3 }, "want at least h+2 = 4"},
		"h above K−2":           {func(c *Charter) { c.MaxHostileMembers = 4 }, "want at least h+2 = 6"},
		"another cohort":        {func(c *Charter) { c.Cohort = "most" }, "cohort \"most\""},
		"cohort k, written out": {func(c *Charter) { c.Cohort = CohortAny }, "cohort \"k\""},
		"guard below 0":         {func(c *Charter) { c.Guard = -.001 }, "guard -0.001"},
		"wide guard":            {func(c *Charter) { c.Guard = .2 }, "guard 0.2"},
		"guard of everyone":     {func(c *Charter) { c.Cohort = CohortAll }, "nothing to guard"},
		"cohort above group":    {func(c *Charter) { c.MinCohort = 8 }, "group 0 has 7"},
		"strange pseudonym":     {func(c *Charter) { c.Members[0].ID = "h-1" }, "pseudonym"},
		"unsorted members":      {func(c *Charter) { c.Members[0], c.Members[1] = c.Members[1], c.Members[0] }, "not sorted"},
		"repeated member":       {func(c *Charter) { c.Members[1] = c.Members[0] }, "not sorted"},
		"short identity key":    {func(c *Charter) { c.Members[0].IdentityKey = c.Members[0].IdentityKey[:31] }, "31 bytes"},
		"other identity key":    {func(c *Charter) { c.Members[0].IdentityKey[0] ^= 1 }, "does not belong"},
		"other federation":      {func(c *Charter) { c.Federation = "other" }, "does not belong"},
		"shared TLS key":        {func(c *Charter) { c.Members[0].TLSKey = c.Members[1].TLSKey }, "shared or missing"},
		"missing TLS key":       {func(c *Charter) { c.Members[0].TLSKey = Digest{} }, "shared or missing"},
		"name where hidden":     {func(c *Charter) { c.Members[0].Name = "general" }, "show_names is false"},
		"no name where shown":   {func(c *Charter) { c.ShowNames = true }, "show_names is true"},
		"unknown custodian":     {func(c *Charter) { c.Custodians[0] = "h-aaaaaaaaaaaaaaaa" }, "not a member"},
		"repeated custodian":    {func(c *Charter) { c.Custodians[0] = c.Custodians[1] }, "named twice"},
		"no group":              {func(c *Charter) { c.Groups = nil }, "groups hold 0 of 7"},
		"someone in no group":   {func(c *Charter) { c.Groups[0] = c.Groups[0][1:] }, "groups hold 6 of 7"},
		"unknown in a group":    {func(c *Charter) { c.Groups[0][0] = "h-aaaaaaaaaaaaaaaa" }, "unknown"},
		"unsorted group":        {func(c *Charter) { g := c.Groups[0]; g[0], g[1] = g[1], g[0] }, "out of order"},
		"in two groups":         {func(c *Charter) { c.Groups = append(c.Groups, c.Groups[0]) }, "repeated"},
	} {
		t.Run(name, func(t *testing.T) {
			charter := clone(t, testCharter(t, 7))
			c.change(&charter)
			if err := charter.Validate(); !errors.Is(err, ErrCharter) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := DecodeCharter(Encode(charter)); err == nil {
				t.Error("it decodes")
			}
		})
	}
}

func TestCharterLookups(t *testing.T) {
	c := testCharter(t, 7)
	for i, m := range c.Members {
		if got, ok := c.Member(m.ID); !ok || !equal(got, m) {
			t.Errorf("member %s: %v", m.ID, got)
		}
		if point, ok := c.Point(m.ID); !ok || point != i+1 || c.GroupOf(m.ID) != 0 {
			t.Errorf("point of %s is %d, want %d", m.ID, point, i+1)
		}
	}
	if _, ok := c.Point("h-aaaaaaaaaaaaaaaa"); ok || c.GroupOf("h-aaaaaaaaaaaaaaaa") != -1 {
		t.Error("a stranger has a point or a group")
	}
}
