package setup

import (
	"bytes"
	"errors"
	"fmt"

	"atrium/client/policy"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// policyKeys are the keys of a policy file. None is needed; a policy without plans or
// kinds allows nothing.
var policyKeys = []string{"plans", "kinds", "min_cohort", "min_records", "min_bits", "paused", "capability", "peers", "releases[].plan", "releases[].manifest"}

// LoadPolicy reads and validates a hospital's policy file. Errors name file and line.
func LoadPolicy(file string) (policy.Policy, error) {
	b, err := read(file, maxPolicyBytes)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("policy: %w", err)
	}
	return parsePolicy(file, b)
}

func parsePolicy(file string, b []byte) (policy.Policy, error) {
	values, err := planfile.ReadConfig(file, b, policyKeys)
	if err != nil {
		return policy.Policy{}, err
	}
	r := policyReader{file, b, values, nil}
	p := policy.Policy{MinCohort: r.number("min_cohort"), MinRecords: r.number("min_records"),
		MinBits: r.number("min_bits"), Paused: r.flag("paused"), Capability: r.flag("capability"), Peers: r.list("peers")}
	for _, text := range r.list("plans") {
		d, err := federation.ParseDigest(text)
		if err != nil {
			r.add("plans", "%q is no plan digest: %w", text, err)
		}
		p.Plans = append(p.Plans, d)
	}
	p.Releases = r.releases()
	for _, text := range r.list("kinds") {
		p.Kinds = append(p.Kinds, federation.RoundKind(text))
	}
	if len(r.errs) == 0 {
		if err := p.Validate(); err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	if err := errors.Join(r.errs...); err != nil {
		return policy.Policy{}, err
	}
	return p, nil
}

// policyReader turns values into what a policy holds and collects what is wrong.
type policyReader struct {
	file   string
	text   []byte
	values map[string]any
	errs   []error
}

func (r *policyReader) add(key, format string, args ...any) {
	line := 1
	for i, l := range bytes.Split(r.text, []byte("\n")) {
		if bytes.HasPrefix(l, []byte(key+":")) {
			line = i + 1
		}
	}
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s: "+format, append([]any{r.file, line, key}, args...)...))
}

func (r *policyReader) number(key string) int {
	v, there := r.values[key]
	n, ok := v.(int)
	if there && !ok {
		r.add(key, "%v: want a whole number", v)
	}
	return n
}

func (r *policyReader) flag(key string) bool {
	v, there := r.values[key]
	f, ok := v.(bool)
	if there && !ok {
		r.add(key, "%v: want true or false", v)
	}
	return f
}

func (r *policyReader) list(key string) []string {
	v, there := r.values[key]
	items, ok := v.([]any)
	if there && !ok {
		r.add(key, "want a list")
	}
	var out []string
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			r.add(key, "%v: want text, in quotes where it could be a number", item)
		}
		out = append(out, text)
	}
	return out
}

// releases reads which manifests are released for which plans.
func (r *policyReader) releases() []policy.Release {
	const key = "releases"
	v, there := r.values[key]
	items, ok := v.([]any)
	if there && !ok {
		r.add(key, "want a list of {plan: DIGEST, manifest: DIGEST}")
	}
	var out []policy.Release
	for i, item := range items {
		fields, _ := item.(map[string]any)
		var release policy.Release
		for _, name := range []string{"plan", "manifest"} {
			text, ok := fields[name].(string)
			d, err := federation.ParseDigest(text)
			if !ok {
				r.add(key, "%s of item %d: %v: want text, in quotes where it could be a number", name, i+1, fields[name])
			} else if err != nil {
				r.add(key, "%s of item %d: %q is no digest: %w", name, i+1, text, err)
			}
			if name == "plan" {
				release.Plan = d
			} else {
				release.Manifest = d
			}
		}
		out = append(out, release)
	}
	return out
}
