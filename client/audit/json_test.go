package audit

import (
	"encoding/json"
	"regexp"
	"testing"
)

// TestJSONNames: what --json prints has names in snake case, and says what the text says.
func TestJSONNames(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	opts := Options{Charter: fx.charter.Digest(), Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, 50, fx.hospitals[0])}}
	verify, err := Verify(t.Context(), fx.objects, opts)
	if err != nil {
		t.Fatal(err)
	}
	replay, err := Replay(t.Context(), fx.objects, opts)
	if err != nil {
		t.Fatal(err)
	}
	show, err := Show(t.Context(), fx.objects, 0, opts)
	if err != nil {
		t.Fatal(err)
	}
	snake := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	var check func(v any)
	check = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if !snake.MatchString(name) {
					t.Errorf("name %q", name)
				}
				check(value)
			}
		case []any:
			for _, value := range v {
				check(value)
			}
		}
	}
	for what, v := range map[string]any{"verify": verify, "replay": replay, "show": show} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		check(fields)
		if what == "show" {
			continue
		}
		anchor, _ := fields["anchor"].(map[string]any)
		last, _ := fields["last_cosigned"].(map[string]any)
		if fields["charter"] != fx.charter.Digest().String() || fields["anchored"] != true || anchor["charter"] != fields["charter"] || anchor["entries"] != 50.0 || last["age_seconds"] == nil {
			t.Errorf("%s: %s", what, raw)
		}
	}
}
