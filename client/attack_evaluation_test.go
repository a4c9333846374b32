package client_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestEvaluationByAnotherName: all are evaluated, and then S without one hospital under a second
// approved plan, in which label, classes or labels are called otherwise: the same parameters,
// the same records, the same counts. Nobody who sent is ready again.
func TestEvaluationByAnotherName(t *testing.T) {
	arrays := plans.Chest()
	arrays.Model.Layers = nil
	several := plans.Cardiology()
	several.Model = federation.Model{Kind: federation.Layers, Several: 2}
	several.Label.Columns = []string{"first", "second"}
	for _, x := range []struct {
		name   string
		plan   federation.Plan
		files  func(*client.Config)
		rename func(*federation.Plan, *client.Config)
	}{
		{"records are arrays, and no file names their label", arrays, arrayFiles(t, arrays), func(p *federation.Plan, _ *client.Config) {
			p.Label.Name = "cardiomegaly"
		}},
		{"several labels, read from the same columns", several, secondLabel(t), func(p *federation.Plan, cfg *client.Config) {
			p.Label.Columns = []string{"third", "fourth"}
			cfg.Columns = []dataset.Column{{Name: "third", From: "first"}, {Name: "fourth", From: "second"}}
		}},
		{"what several labels are together", several, secondLabel(t), func(p *federation.Plan, _ *client.Config) {
			p.Label.Name = "another"
		}},
		{"one label, read from the same column", plans.Cardiology(), nil, func(p *federation.Plan, cfg *client.Config) {
			cfg.Columns = []dataset.Column{{Name: "another", From: p.Label.Name}}
			p.Label.Name = "another"
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var change []func(*client.Config)
			if x.files != nil {
				change = append(change, x.files)
			}
			l := newLiar(t, 4, 1, x.plan, change...)
			first := l.gather(l.evaluate(.01)).opened(l.sites, l.sites[:3])
			for _, s := range l.sites {
				next := x.plan
				x.rename(&next, &s.cfg)
				l.plan = next
			}
			l.plan.Name = "another"
			l.restart(l.plan)
			p := l.gather(l.evaluate(.01)).collect(l.sites[1:]...)
			if p.header.Plan == first.header.Plan || p.header.Parameters != first.header.Parameters {
				t.Fatal("it is not the same model under another plan")
			}
			p.isAnswered(p.of(l.sites[1:]...), first, l.sites[:3])
		})
	}
}

// arrayFiles gives a hospital made-up arrays.
func arrayFiles(t *testing.T, plan federation.Plan) func(*client.Config) {
	next := 0
	return func(cfg *client.Config) {
		dir := t.TempDir()
		cohort := dataset.GenerateArrays(plan, 7, next)
		next++
		must(t, cohort.WriteNPY(dir, "arrays"))
		cfg.Train, cfg.Test = filepath.Join(dir, "arrays_train.npy"), filepath.Join(dir, "arrays_test.npy")
	}
}

// secondLabel writes the outcome of a hospital's records into two columns.
func secondLabel(t *testing.T) func(*client.Config) {
	label := plans.Cardiology().Label.Name
	return func(cfg *client.Config) {
		for _, file := range []*string{&cfg.Train, &cfg.Test} {
			*file = widened(t, renamed(t, *file, label, "first"), "second", func(_ int, row []byte) string {
				return string(row[len(row)-1:])
			})
		}
	}
}

// widened is a table with one more column, of what cell says of row i.
func widened(t *testing.T, file, column string, cell func(i int, row []byte) string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	var out bytes.Buffer
	for i, row := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
		row = bytes.TrimSpace(row)
		text := column
		if i > 0 {
			text = cell(i-1, row)
		}
		fmt.Fprintf(&out, "%s,%s\n", row, text)
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(file))
	must(t, os.WriteFile(copied, out.Bytes(), 0o600))
	return copied
}

// month is the honest header of an evaluation of base x by month.
func (l *liar) month(x float64, month federation.Month) federation.Header {
	h := l.evaluate(x)
	h.Part, h.Questions = month, l.plan.QuestionsOf(h.Kind, h.Parameters, month)
	return h
}

// TestMonthsAndAll: what lies in all records and in no month, or in a month by one date and not
// by another, may be one hospital's. So whoever evaluated one of them is not ready for the
// other, of whatever hospitals; nor for a month of the next version without one of them.
func TestMonthsAndAll(t *testing.T) {
	plan := plans.Cardiology()
	plan.Schedule.Months = federation.Months{Date: "admitted", First: "2026-01", Count: 6}
	plan.Privacy.MinRecords = 1
	l := newLiar(t, 4, 1, plan, func(cfg *client.Config) {
		for _, column := range []string{"admitted", "discharged"} {
			cfg.Test = widened(t, cfg.Test, column, func(i int, _ []byte) string { return fmt.Sprintf("2026-%02d-11", 1+i%2) })
		}
	})
	all, less := l.sites, l.sites[1:]
	refused := func(name string, h func() federation.Header, before *play) {
		for who, s := range map[string][]*site{" without one": less, " of the same": all} {
			l.run(t, name+who, func(*testing.T) {
				p := l.gather(h()).collect(s...)
				p.isAnswered(p.of(s...), before, all[:3])
			})
		}
	}
	whole := l.gather(l.evaluate(.01)).opened(all, all[:3])
	refused("a month of what was evaluated whole", func() federation.Header { return l.month(.01, "2026-01") }, whole)
	january := l.gather(l.month(.4, "2026-01")).opened(all, all[:3])
	refused("all records", func() federation.Header { return l.evaluate(.4) }, january)
	l.run(t, "another month, without one", func(t *testing.T) {
		l.gather(l.month(.4, "2026-02")).opened(less, all[:3])
	})
	l.run(t, "the month of another version, without one", func(t *testing.T) {
		p := l.gather(l.month(.9, "2026-01")).collect()
		p.askReady(all[0], p.of(less...)).refuses(t, participant.ErrLine.Error())
		p.askReady(all[0], p.of(all...)).sends(t, "ready")
	})
	l.run(t, "a month that is not over", func(t *testing.T) {
		next := l.plan
		next.Schedule.Months.First, next.Schedule.Months.Count, next.Name = "2999-01", 6, "later"
		l.restart(next)
		o := l.askJoin(all[0], l.month(.2, "2999-01"))
		if len(o.messages) != 2 || o.messages[1].kind != "decline" {
			t.Fatalf("%d messages, %s", len(o.messages), o.refusal)
		}
		if d := decode[federation.Decline](l, o.messages[1].signed); d.Reason != "that month is not over by this hospital's clock" {
			t.Errorf("it declines: %s", d.Reason)
		}
	})
	next := l.plan
	next.Schedule.Months = federation.Months{Date: "discharged", First: "2026-01", Count: 6}
	next.Name = "other-dates"
	l.restart(next)
	refused("a month by other dates", func() federation.Header { return l.month(.4, "2026-02") }, january)
}
