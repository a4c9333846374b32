package client_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/aggregation"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// TestOneQuestionOneSum: a sum of all is opened on a base, and then the coordinator asks for
// another on the same question by every name that the question can be given: other bytes of
// the same model, other plans, other hospitals, the same ones again. Nobody who sent is ready
// again, and without them nobody sends.
func TestOneQuestionOneSum(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.ClipLeast = 1e-4
	l := newLiar(t, 4, 1, plan)
	zero := make([]float32, plan.ParameterCount())
	first := l.gather(l.trainOn(l.baseOf(zero, nil))).opened(l.sites, l.sites[:3])
	refused := func(name string, h func() federation.Header) {
		for who, s := range map[string][]*site{" and S without one hospital": l.sites[1:], " and the same S": l.sites} {
			l.run(t, name+who, func(t *testing.T) {
				p := l.gather(h()).collect(s...)
				p.isAnswered(p.of(s...), first, l.sites[:3])
			})
		}
	}
	// What the parameters are called, and what lies beside them.
	on := func(params []float32, change func(*models.Snapshot)) func() federation.Header {
		return func() federation.Header { return l.trainOn(l.baseOf(params, change)) }
	}
	minus := slices.Clone(zero)
	minus[0] = float32(math.Copysign(0, -1))
	refused("a minus before a zero", on(minus, nil))
	refused("other metadata", on(zero, func(s *models.Snapshot) { s.Metadata["note"] = "another" }))
	refused("another normalisation", on(zero, func(s *models.Snapshot) {
		for i := range s.Tensors {
			if s.Tensors[i].Name == models.PreprocessingMean {
				s.Tensors[i].F64[0] = 1
			}
		}
	}))
	refused("another version number", func() federation.Header {
		l.newest = 17
		return on(zero, nil)()
	})
	// Saturation is counted under clips that the base names: with clips of the liar's choice
	// it would bisect the size of a change.
	refused("other clips", func() federation.Header {
		h := on(zero, func(s *models.Snapshot) {
			s.SetClips(l.plan, []aggregation.Clip{{Clip: 0.01, Floor: 0.001}, {Clip: 0.01, Floor: 0.001}})
		})()
		h.Format.Segments[0].Clip, h.Format.Segments[1].Clip = 0.01, 0.01
		return h
	})
	otherPlans(l, func(name string) { refused(name, on(zero, nil)) })
}

// otherPlans starts the daemons under one approved plan after another.
func otherPlans(l *liar, ask func(name string)) {
	for _, a := range []struct {
		name   string
		change func(*federation.Plan)
	}{
		{"another weight cap", func(p *federation.Plan) { p.Privacy.WeightCap = 190 }},
		{"another clip", func(p *federation.Plan) { p.Privacy.Clip = 0.5 }},
		{"a fixed clip", func(p *federation.Plan) { p.Privacy.ClipLeast = 0 }},
		{"another precision", func(p *federation.Plan) { p.Privacy.Bits = 24 }},
		{"another range of one column", func(p *federation.Plan) { p.Features[3].Max -= 100 }},
		{"another learning rate", func(p *federation.Plan) { p.Local.LearningRate = 0.01 }},
		{"another server rate", func(p *federation.Plan) { p.Aggregation.LearningRate = 0.5 }},
		{"another number of steps", func(p *federation.Plan) { p.Local.Steps = 1 }},
		{"another time limit", func(p *federation.Plan) { p.Schedule.UpdateSeconds = 30 }},
		{"control variates", func(p *federation.Plan) { p.Aggregation.Rule = federation.Scaffold }},
		{"fewer columns", func(p *federation.Plan) { p.Local.Trained = []string{"weight"} }},
	} {
		plan, err := federation.Decode[federation.Plan](federation.Encode(l.plan), federation.MaxPlanBytes)
		must(l.t, err)
		before := l.plan
		plan.Name = "another"
		a.change(&plan)
		l.restart(plan)
		ask(a.name)
		l.restart(before)
	}
}

// TestNearbyModel: one unit in the last place makes another question. No custodian has a base
// that does not follow from opened sums, so nobody is ready on it.
func TestNearbyModel(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	params := slices.Repeat([]float32{0.1}, l.plan.ParameterCount())
	first := l.gather(l.trainOn(l.baseOf(params, nil))).opened(l.sites, l.sites[:3])
	params[1] = math.Nextafter32(params[1], 1)
	p := l.gather(l.trainOn(l.baseOf(params, nil))).collect(l.sites[1:]...)
	p.madeUp(p.of(l.sites[1:]...), first, l.sites[0]) // the others took the base when they trained
}

// madeUp: nobody is ready on a base for which fewer than f+1 custodians signed, whatever
// else is shown for it.
func (p *play) madeUp(list federation.Candidate, before *play, victims ...*site) {
	l, h := p.l, p.header
	hostile := l.sites[:l.charter.MaxHostile]
	derived := l.signed(h.Version, h.Base, h.Parameters, hostile...)
	elsewhere := federation.Encode(signFor("oncology", l.sites[2], federation.Derived{V: 1, Custodian: l.sites[2].id,
		Version: h.Version, Snapshot: h.Base, Parameters: h.Parameters}))
	for name, shown := range map[string][][]byte{
		"nothing":                               nil,
		"f custodians' word":                    derived,
		"their word repeated":                   slices.Concat(derived, derived, derived),
		"an honest word of another version":     slices.Concat(derived, l.signed(h.Version+1, h.Base, h.Parameters, l.sites[2])),
		"an honest word of another snapshot":    slices.Concat(derived, l.signed(h.Version, before.header.Base, h.Parameters, l.sites[2])),
		"an honest word of other parameters":    slices.Concat(derived, l.signed(h.Version, h.Base, before.header.Parameters, l.sites[2])),
		"an honest word for another federation": append(slices.Clone(derived), elsewhere),
		"not a message":                         append(slices.Clone(derived), []byte("{}")),
		"replayed words of the base before it":  slices.Concat(derived, before.derived[1:]),
	} {
		l.run(l.t, name, func(t *testing.T) {
			p.derived = shown
			for _, s := range victims {
				p.askUpdate(s, p.manifest).refuses(t, "this version was neither derived here nor signed by enough custodians")
				p.askReady(s, list).refuses(t, "this version was neither derived here nor signed by enough custodians")
			}
		})
	}
}

// TestStatisticsOnce: statistics are opened once, whatever the columns are called and whoever
// is summed.
func TestStatisticsOnce(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	first := l.gather(l.statistics()).opened(l.sites, l.sites[:3])
	again := func(name string, s []*site) {
		l.run(t, name, func(*testing.T) {
			p := l.gather(l.statistics()).collect(s...)
			p.isAnswered(p.of(s...), first, l.sites[:3])
		})
	}
	again("one hospital less", l.sites[1:])
	again("the same hospitals", l.sites)
	plan := l.plan
	plan.Name, plan.Features = "renamed", slices.Clone(plan.Features[:1])
	plan.Features[0].Name = "years"
	for _, s := range l.sites {
		for _, file := range []*string{&s.cfg.Train, &s.cfg.Test} {
			*file = renamed(t, *file, "age", "years")
		}
	}
	l.restart(plan)
	again("a column renamed, one hospital less", l.sites[1:])
	plan = l.plan
	plan.Name, plan.Features = "range", slices.Clone(plan.Features)
	plan.Features[0].Max++
	l.restart(plan)
	again("its range changed", l.sites)
}

// renamed is a copy of a table whose column has another name.
func renamed(t *testing.T, file, column, name string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	head, rows, _ := bytes.Cut(raw, []byte("\n"))
	copied := filepath.Join(t.TempDir(), filepath.Base(file))
	must(t, os.WriteFile(copied, slices.Concat(bytes.Replace(head, []byte(column), []byte(name), 1), []byte("\n"), rows), 0o600))
	return copied
}

// TestBehindSendsNobodyBelieves: the first opening is called lost, and S without one hospital
// is asked for on the same question, by a coordinator that shows burns of as many custodians
// as it has on its side and repeats them.
func TestBehindSendsNobodyBelieves(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	first := l.gather(l.train(1)).opened(l.sites, l.sites[:3])
	manifest := first.manifest.Digest()
	hostile := sign(l, l.sites[2], federation.Burn{V: 1, Manifest: manifest, Custodian: l.sites[2].id})
	last, err := federation.DecodeSigned(l.askBurn(l.sites[3], first.header.Round, manifest).sends(t, "burn").signed)
	must(t, err)
	p := l.gather(l.train(1))
	p.manifest.Certificates = []federation.BurnCertificate{{Manifest: manifest, Burns: []federation.Signed{hostile, last}}}
	for _, s := range l.sites {
		p.askUpdate(s, p.manifest).refuses(t, "burn certificate refused: 2 of 3 burns")
	}
}
