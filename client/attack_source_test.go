package client_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage/storagetest"
)

// TestTwoFederationsOnOneSource: a research centre has a federation of four hospitals and
// another one of three of them on the same records. What the first was answered, no hospital
// answers in the second, whatever the plan calls it, measures it in or limits it to: the
// difference of the sums would be the fourth's.
func TestTwoFederationsOnOneSource(t *testing.T) {
	first := newLiar(t, 4, 1, plans.Cardiology())
	second := newLiar(t, 3, 1, plans.Cardiology())
	use := func(plan federation.Plan, columns ...dataset.Column) {
		for _, s := range second.sites {
			i := slices.IndexFunc(first.sites, func(o *site) bool { return o.name == s.name })
			s.cfg.Train, s.cfg.Test, s.cfg.Columns = first.sites[i].cfg.Train, first.sites[i].cfg.Test, columns
		}
		second.restart(plan)
	}
	use(second.plan)
	first.gather(first.statistics()).collect()
	first.gather(first.train(1)).collect()

	renamed := plans.Cardiology()
	renamed.Name, renamed.Features, renamed.Label.Name = "renamed", slices.Clone(renamed.Features[4:5]), "outcome"
	column := renamed.Features[0].Name
	renamed.Features[0].Name, renamed.Features[0].Max = "lipids", 2*renamed.Features[0].Max
	columns := []dataset.Column{{Name: "lipids", From: column}, {Name: "outcome", From: plans.Cardiology().Label.Name}}
	capped := plans.Cardiology()
	capped.Name, capped.Privacy.WeightCap = "capped", capped.Privacy.WeightCap/2
	for _, a := range []struct {
		name    string
		plan    federation.Plan
		columns []dataset.Column
		header  func() federation.Header
	}{
		{"the same statistics", plans.Cardiology(), nil, second.statistics},
		{"the column by another name, in another range", renamed, columns, second.statistics},
		{"the same base", plans.Cardiology(), nil, func() federation.Header { return second.train(1) }},
		{"another base: one that is as near as it likes", plans.Cardiology(), nil, func() federation.Header { return second.train(1.0000001) }},
		{"another weight cap", capped, nil, func() federation.Header { return second.train(1) }},
		{"the label by another name", renamed, columns, func() federation.Header { return second.train(5) }},
	} {
		second.run(t, a.name, func(t *testing.T) {
			use(a.plan, a.columns...)
			declineAll(t, second, a.header())
		})
	}
	second.run(t, "after the word of one hospital's data owner", func(t *testing.T) {
		use(plans.Cardiology())
		s := second.sites[0]
		giveWord(t, s.cfg)
		q := second.gatherDeclined(t, second.train(1), second.sites[1:])
		q.askUpdate(s, q.manifest).sends(t, "submission")
		for _, other := range second.sites[1:] {
			q.askUpdate(other, q.manifest).refuses(t, client.ErrElsewhere.Error())
		}
		status, err := client.ReadSource(s.cfg.State)
		must(t, err)
		if len(status.Others) != 1 || status.Others[0].Word == nil || status.Others[0].Word.By != "the owner" {
			t.Errorf("its status shows no word: %+v", status)
		}
	})
}

// declineAll: no hospital of a federation takes part in a round, and none computes anything
// of it when it is asked all the same.
func declineAll(t *testing.T, l *liar, h federation.Header) {
	t.Helper()
	p := l.gatherDeclined(t, h, l.sites)
	for _, s := range l.sites {
		p.askUpdate(s, p.manifest).refuses(t, client.ErrElsewhere.Error())
		status, err := client.ReadStatus(s.cfg.State)
		must(t, err)
		if !strings.Contains(status.Refused, "was answered in federation cardiology") || !strings.Contains(status.Refused, "atrium hospital source allow") {
			t.Errorf("status: %q", status.Refused)
		}
	}
}

// gatherDeclined has all hospitals join; those that are named join as custodians and decline
// an update at once.
func (l *liar) gatherDeclined(t *testing.T, h federation.Header, declining []*site) *play {
	t.Helper()
	p := newPlay(l, h)
	for _, s := range l.sites[:len(l.sites)-len(declining)] {
		p.join(s)
	}
	for _, s := range declining {
		o := l.askJoin(s, h)
		if len(o.messages) != 2 || o.messages[0].kind != "join" || o.messages[1].kind != "decline" {
			t.Fatalf("%s sent %d messages: %s", s.name, len(o.messages), o.refusal)
		}
		if decline := decode[federation.Decline](l, o.messages[1].signed); decline.Reason != client.ErrElsewhere.Error() {
			t.Errorf("%s declines: %s", s.name, decline.Reason)
		}
		signed, err := federation.DecodeSigned(o.messages[0].signed)
		must(t, err)
		p.joins[s.id] = signed
	}
	p.manifest = p.honest()
	return p
}

// giveWord is what a person does with `atrium hospital source allow`.
func giveWord(t *testing.T, cfg client.Config) {
	t.Helper()
	s, err := client.OpenSource(client.SourceConfig{Train: cfg.Train, Test: cfg.Test, Folder: cfg.Source, State: cfg.State, Charter: cfg.Charter})
	must(t, err)
	v, err := s.View()
	must(t, err)
	for _, o := range v.Others {
		must(t, s.Allow(o, "the owner"))
	}
}

// TestSourceOutlivesACrash: a hospital dies between the memory of its answer and the answer.
// No other federation gets one meanwhile; started again it goes on in its own. With the word
// of all owners the other federation ends its plan too.
func TestSourceOutlivesACrash(t *testing.T) {
	base, other := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 4, func(*federation.Plan) {})
		small, disks := newRoster(t, other, 3, func(*federation.Plan) {})
		for i := range small.hospitals {
			at := slices.IndexFunc(r.hospitals, func(h seat) bool { return h.name == small.hospitals[i].name })
			small.hospitals[i].train, small.hospitals[i].test = r.hospitals[at].train, r.hospitals[at].test
		}
		victim := r.hospitals[0]
		died := func(write int) (*fed, bool) {
			must(t, os.RemoveAll(filepath.Join(base, ".atrium-source")))
			f := newFed(t, r, d.clone(t, t.TempDir()), wounds{daemons: []storagetest.Fault{{At: write, Dies: true}}})
			f.run(func(coordinator.Status) bool { return f.died(victim.name) })
			v, err := client.ReadSource(f.states[0])
			return f, err == nil && len(v.Things) > 0
		}
		var f *fed
		remembers := false
		for write := 1; !remembers; write++ {
			f, remembers = died(write)
		}
		journal, err := client.ReplayJournal(f.config(0, storagetest.NewFaulty(f.stores[0], storagetest.Fault{})))
		must(t, err)
		if slices.ContainsFunc(journal.Memory, func(m participant.Memory) bool { return !m.Submission.IsZero() }) {
			t.Fatalf("it had answered: %s", f.logs)
		}
		second := newFed(t, small, disks, wounds{})
		second.run(func(coordinator.Status) bool {
			return strings.Contains(second.logs.String(), client.ErrElsewhere.Error())
		})
		if len(second.acks) > 0 {
			t.Errorf("%d updates of the other federation were taken", len(second.acks))
		}
		if f = newFed(t, r, f.disks, wounds{}); !f.run(func(s coordinator.Status) bool { return s.Finished != "" }) {
			t.Fatalf("wedged: %s", f.logs)
		}
		for i := range small.hospitals {
			giveWord(t, second.config(i, storagetest.NewFaulty(disks.stores[i], storagetest.Fault{})))
		}
		second = newFed(t, small, second.disks, wounds{})
		if !second.run(func(s coordinator.Status) bool { return s.Finished != "" }) {
			t.Errorf("wedged with the word: %s", second.logs)
		}
	})
}
