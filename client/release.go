package client

import (
	"slices"

	"atrium/coordinator/federation"
)

// askReleases says once what people here would have to write into the policy file for a question
// to be asked again that was answered, and what that gives away.
func (d *Daemon) askReleases(h federation.Header) {
	have := d.cfg.Policy.Released(h.Plan)
	missing := slices.DeleteFunc(slices.Clone(h.Releases), func(m federation.Digest) bool { return slices.Contains(have, m) })
	asked := federation.ReleaseLines(h.Plan, missing)
	if len(missing) == 0 || asked == d.asked {
		return
	}
	d.asked = asked
	d.cfg.Logger.Warn("the coordinator asks again what was answered: it waits until people at every hospital release that in policy.yaml, and the daemon is started again",
		"round", h.Round, "kind", h.Kind, "plan", d.cfg.Plan.Name, "consequence", federation.ReleaseConsequence, "policy", asked)
}
