package participant

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

// TestMayStart: what a round starts from follows from the plan and the versions known here, or
// nothing is computed for it. The fifth version is the newest; plan "before" made all five.
func TestMayStart(t *testing.T) {
	before, plan := federation.Sum([]byte("before")), federation.Sum([]byte("plan"))
	version := func(n byte, by federation.Digest) Base {
		return Base{Version: uint64(n), Snapshot: federation.Digest{n}, Parameters: federation.Digest{n, n}, Plan: by}
	}
	older := federation.Start{Version: 2, Snapshot: federation.Digest{2}.String()}
	known := []Base{version(2, before), version(4, before), version(5, before)}
	made := append(known[1:2:2], version(5, before), version(6, plan))
	forged := version(2, before)
	forged.Parameters = federation.Digest{9}
	for name, c := range map[string]struct {
		bases []Base
		live  Live
		want  error
	}{
		"the first round of a federation":             {nil, Live{}, nil},
		"it goes on from the newest":                  {known, Live{Base: version(5, before), Newest: 5}, nil},
		"it goes on from the one before":              {known, Live{Base: version(4, before), Newest: 5}, ErrStart},
		"that is said to be the newest":               {known, Live{Base: version(4, before), Newest: 4}, ErrStart},
		"it begins anew and the plan does not":        {known, Live{Newest: 5}, ErrStart},
		"it begins anew":                              {known, Live{Newest: 5, Start: federation.Start{Anew: true}}, nil},
		"as if there were no version":                 {known, Live{Start: federation.Start{Anew: true}}, ErrStart},
		"with a made-up number":                       {known, Live{Newest: 9, Start: federation.Start{Anew: true}}, ErrBase},
		"it goes on and the plan begins anew":         {known, Live{Base: version(5, before), Newest: 5, Start: federation.Start{Anew: true}}, ErrStart},
		"anew, and on from its own":                   {made, Live{Base: version(6, plan), Newest: 6, Start: federation.Start{Anew: true}}, nil},
		"anew a second time":                          {made, Live{Newest: 6, Start: federation.Start{Anew: true}}, ErrStart},
		"from an older version":                       {known, Live{Base: version(2, before), Newest: 5, Start: older}, nil},
		"from one that is made up":                    {known, Live{Base: forged, Newest: 5, Start: older}, ErrBase},
		"from one that nobody showed":                 {known[1:], Live{Base: version(2, before), Newest: 5, Start: older}, ErrBase},
		"from another than the plan's":                {known, Live{Base: version(4, before), Newest: 5, Start: older}, ErrStart},
		"from the newest in its place":                {known, Live{Base: version(5, before), Newest: 5, Start: older}, ErrStart},
		"from it though the plan has its own version": {append(made[1:2:2], version(2, before), version(6, plan)), Live{Base: version(2, before), Newest: 6, Start: older}, ErrStart},
		"from it, under an older number":              {known, Live{Base: version(2, before), Newest: 2, Start: older}, ErrStart},
	} {
		c.live.Plan = plan
		err := MayStart(State{Bases: c.bases, Live: c.live})
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
