package federation

import (
	"errors"
	"strings"
	"testing"
)

// TestStart: what a plan says about its beginning is whole, and named by its key where it is not.
func TestStart(t *testing.T) {
	snapshot := Sum([]byte("snapshot")).String()
	for name, c := range map[string]struct {
		start Start
		want  string
	}{
		"none":           {Start{}, ""},
		"anew":           {Start{Anew: true}, ""},
		"a version":      {Start{Version: 7, Snapshot: snapshot}, ""},
		"both":           {Start{Anew: true, Version: 7, Snapshot: snapshot}, "start.anew"},
		"no version":     {Start{Snapshot: snapshot}, "start.snapshot"},
		"no snapshot":    {Start{Version: 7}, "start.snapshot"},
		"half a digest":  {Start{Version: 7, Snapshot: snapshot[:32]}, "start.snapshot"},
		"in capitals":    {Start{Version: 7, Snapshot: strings.ToUpper(snapshot)}, "start.snapshot"},
		"below the line": {Start{Version: -1, Snapshot: snapshot}, "start.version"},
	} {
		p := testPlan()
		p.Start = c.start
		err := p.Validate()
		var wrong *PlanError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &wrong) || wrong.Key != c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestHeaderStart: a header starts from nothing but the newest version or what the plan names.
func TestHeaderStart(t *testing.T) {
	c := testCharter(t, 4)
	base := Sum([]byte("base")) // version 3 of the fixture
	for name, x := range map[string]struct {
		start  Start
		kind   RoundKind
		change func(*Header)
		want   string
	}{
		"on":                        {Start{}, Train, func(h *Header) {}, ""},
		"on, evaluated":             {Start{}, Evaluate, func(h *Header) {}, ""},
		"first":                     {Start{}, Statistics, func(h *Header) {}, ""},
		"anew, not said":            {Start{}, Statistics, func(h *Header) { h.Newest = 3 }, "begins anew"},
		"anew":                      {Start{Anew: true}, Statistics, func(h *Header) { h.Newest = 3 }, ""},
		"on after it began anew":    {Start{Anew: true}, Train, func(h *Header) {}, ""},
		"anew on an older one":      {Start{Anew: true}, Train, func(h *Header) { h.Newest = 4 }, "does not name it"},
		"older, not said":           {Start{}, Train, func(h *Header) { h.Newest = 9 }, "does not name it"},
		"older":                     {Start{Version: 3, Snapshot: base.String()}, Train, func(h *Header) { h.Newest = 9 }, ""},
		"older, another snapshot":   {Start{Version: 3, Snapshot: Sum(nil).String()}, Train, func(h *Header) { h.Newest = 9 }, "starts from"},
		"older than said":           {Start{Version: 4, Snapshot: base.String()}, Train, func(h *Header) { h.Newest = 9 }, "does not name it"},
		"statistics for a version":  {Start{Version: 3, Snapshot: base.String()}, Statistics, func(h *Header) { h.Newest = 9 }, "begins anew"},
		"statistics before any":     {Start{Version: 3, Snapshot: base.String()}, Statistics, func(h *Header) {}, "starts from version 3"},
		"newer than the newest":     {Start{}, Train, func(h *Header) { h.Newest = 2 }, "the newest is 2"},
		"more rounds than versions": {Start{}, Train, func(h *Header) { h.Steps = 3 }, "train rounds"},
		"statistics after rounds":   {Start{Anew: true}, Statistics, func(h *Header) { h.Newest, h.Steps = 3, 1 }, "train rounds"},
		"statistics with a base":    {Start{}, Statistics, func(h *Header) { h.Version, h.Newest, h.Base, h.Parameters = 3, 3, base, base }, "statistics on"},
		"train without one":         {Start{Anew: true}, Train, func(h *Header) { h.Version, h.Base, h.Parameters = 0, Digest{}, Digest{} }, "train on"},
		"a base without a number":   {Start{}, Train, func(h *Header) { h.Version = 0 }, "half given"},
		"a base without parameters": {Start{}, Train, func(h *Header) { h.Parameters = Digest{} }, "half given"},
	} {
		p := testPlan()
		p.Start = x.start
		h := testHeader(c, p, x.kind)
		x.change(&h)
		h.Questions = p.Questions(h.Kind, h.Parameters)
		err := CheckHeader(c, p, h)
		if x.want == "" && err != nil || x.want != "" && (!errors.Is(err, ErrHeader) || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}
