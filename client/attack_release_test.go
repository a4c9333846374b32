package client_test

import (
	"slices"
	"testing"

	"atrium/client/policy"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// released has the people of sites release manifests for a plan, and starts every daemon under
// that plan.
func (l *liar) released(plan federation.Plan, by []*site, manifests ...federation.Digest) {
	l.t.Helper()
	for _, s := range l.sites {
		s.cfg.Policy.Releases = nil
		for _, m := range manifests {
			if slices.Contains(by, s) {
				s.cfg.Policy.Releases = append(s.cfg.Policy.Releases, policy.Release{Plan: plan.Digest(), Manifest: m})
			}
		}
	}
	l.restart(plan)
}

// TestReleaseTakesEverybody: what was opened under one plan is asked again under another by a
// coordinator that lies. While one hospital's Join does not release it no custodian that sent is
// ready, whoever is summed and whatever else is shown for it; once all do, one more sum opens,
// and no third.
func TestReleaseTakesEverybody(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	custodians := l.sites[:3]
	first := l.gather(l.train(1)).opened(l.sites, custodians)
	manifest := first.manifest.Digest()
	plan := l.plan
	plan.Name, plan.Privacy.WeightCap = "another", 190
	for i, less := range map[int]string{0: "a custodian that sent", 3: "one that is left out"} {
		l.released(plan, slices.Delete(slices.Clone(l.sites), i, i+1), manifest)
		for who, s := range map[string][]*site{" and S without it": slices.Delete(slices.Clone(l.sites), i, i+1), " and the same S": l.sites} {
			l.run(t, "released by all but "+less+who, func(t *testing.T) {
				p := l.gather(l.train(1)).collect(s...)
				p.isAnswered(p.of(s...), first, custodians)
			})
		}
		l.run(t, "its Join left away: all but "+less, func(t *testing.T) {
			others := slices.Delete(slices.Clone(l.sites), i, i+1)
			p := l.gather(l.train(1), others...).collect(others...)
			list := p.of(others...)
			for _, s := range others {
				if slices.Contains(custodians, s) {
					p.askReady(s, list).refuses(t, "this question was answered before")
				}
			}
		})
	}
	other := plan
	other.Name = "third"
	l.released(other, l.sites, manifest)
	l.restart(plan)
	l.run(t, "released for another plan", func(t *testing.T) {
		p := l.gather(l.train(1)).collect()
		p.isAnswered(p.of(l.sites...), first, custodians)
	})
	l.released(plan, l.sites, manifest)
	old := l.gather(l.train(1))
	l.released(plan, l.sites[:3], manifest)
	l.run(t, "a Join of another header", func(t *testing.T) {
		p := l.gather(l.train(1))
		p.joins[l.sites[3].id] = old.joins[l.sites[3].id]
		p.askUpdate(l.sites[0], p.honest()).refuses(t, "names header")
	})
	l.run(t, "a Join that another signs for it", func(t *testing.T) {
		p := l.gather(l.train(1))
		j := decode[federation.Join](l, federation.Encode(p.joins[l.sites[3].id]))
		j.Releases = []federation.Digest{manifest}
		p.joins[l.sites[3].id] = sign(l, &site{identity: l.sites[2].identity}, j)
		p.askUpdate(l.sites[0], p.honest()).refuses(t, "signature does not verify")
	})
	l.run(t, "released for a question of another base", func(t *testing.T) {
		h := l.train(2)
		h.Releases = []federation.Digest{manifest}
		l.askJoin(l.sites[0], h).refuses(t, "was about another question")
	})
	l.released(plan, l.sites, manifest)
	second := l.gather(l.train(1))
	third := l.gather(l.train(1)) // its Joins release the first too
	third.opened(l.sites[1:], custodians)
	l.run(t, "the other of two that release it", func(t *testing.T) {
		second.askUpdate(l.sites[0], second.manifest).refuses(t, "did not join that header")
	})
	p := l.gather(l.train(1)).collect()
	p.isAnswered(p.of(l.sites...), third, custodians)
	l.released(plan, l.sites, third.manifest.Digest())
	p = l.gather(l.train(1)).collect()
	p.isAnswered(p.of(l.sites...), first, custodians)
}

// TestStuckQuestionAfterAnEpoch: of four custodians two sent, one did not and one is gone, so that
// nothing opens and nothing can be burned. Under the next charter, without the last one, the
// question stays answered until the three hospitals release it; then it is opened once.
func TestStuckQuestionAfterAnEpoch(t *testing.T) {
	p := newPassage(t)
	stuck := p.gather(p.train(5))
	list := stuck.ready(p.sites, p.sites...)
	stuck.sends(list, p.sites[:2]...)
	manifest := stuck.manifest.Digest()
	for _, s := range p.sites[:3] {
		p.consents = append(p.consents, p.vote(s, p.terms))
	}
	p.goOver()
	again := p.gather(p.train(5)).collect()
	c := again.of(p.sites...)
	for _, s := range p.sites { // also the one that did not send
		again.askReady(s, c).refuses(t, "this question was answered before, under manifest "+manifest.Short()+" of an earlier epoch")
	}
	p.released(p.plan, p.sites[:2], manifest)
	again = p.gather(p.train(5)).collect()
	again.askReady(p.sites[0], again.of(p.sites...)).refuses(t, "this question was answered before")
	p.released(p.plan, p.sites, manifest)
	p.gather(p.train(5)).opened(p.sites, p.sites)
	again = p.gather(p.train(5)).collect()
	again.askReady(p.sites[0], again.of(p.sites...)).refuses(t, "this question was answered before")
}

// goOver takes the remaining hospitals over to the next charter, and the liar with them.
func (p *passage) goOver() {
	p.t.Helper()
	a := p.assemble()
	for _, s := range p.sites[:3] {
		p.ask(s, nil).refuses(p.t, "epoch 2 after epoch 2") // what is asked again once it is done
	}
	log := p.log2(p.log.Size())
	appendTo(p.t, log, round.Entry{Kind: round.CharterSet, Epoch: 1, Blob: a.Charter.Digest(), Attachment: federation.Sum(federation.Encode(a.Countersignatures))})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log, p.charter, p.key, p.sites = log, a.Charter, p.young, p.sites[:3]
}
