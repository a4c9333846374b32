package rpc_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/client/audit"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
	"atrium/storage/local"
	"atrium/storage/models"
)

// TestRulesThroughAFederation runs each rule through real hospitals under encryption,
// replays the log, and compares every version with what a plaintext twin makes of the
// version before by the papers' formulas.
func TestRulesThroughAFederation(t *testing.T) {
	for name, c := range map[string]struct {
		hospitals, groups int
		change            func(*federation.Plan)
	}{
		"fedavg":  {4, 1, func(*federation.Plan) {}},
		"fedprox": {4, 1, func(p *federation.Plan) { p.Local.ProxMu = 0.5 }},
		"fedbn":   {4, 1, func(p *federation.Plan) { p.Aggregation.LocalTensors = []string{"bias"} }},
		"fedavgm": {4, 1, func(p *federation.Plan) { p.Aggregation.Rule, p.Aggregation.Momentum = federation.FedAvgM, 0.8 }},
		"fedadagrad": {4, 1, func(p *federation.Plan) {
			p.Aggregation = federation.Aggregation{Rule: federation.FedAdagrad, LearningRate: 0.1, Beta1: 0.5, Tau: 0.01}
		}},
		"fedyogi": {4, 1, func(p *federation.Plan) {
			p.Aggregation = federation.Aggregation{Rule: federation.FedYogi, LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.01}
		}},
		"fedadam": {4, 1, func(p *federation.Plan) {
			p.Aggregation = federation.Aggregation{Rule: federation.FedAdam, LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.01}
		}},
		"fednova": {4, 1, func(p *federation.Plan) { // unequal steps, with a proximal term
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch, p.Local.ProxMu = federation.FedNova, 0, 2, 32, 0.3
		}},
		"fednova with momentum": {4, 1, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch, p.Local.Momentum = federation.FedNova, 0, 2, 32, 0.8
			p.Privacy.Clip = 4
		}},
		"scaffold with momentum": {4, 1, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch, p.Local.Momentum = federation.Scaffold, 0, 2, 64, 0.8
			p.Privacy.Clip, p.Privacy.ClipLeast = 16, 0.5
		}},
		"scaffold": {4, 1, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch, p.Privacy.Clip = federation.Scaffold, 0, 2, 64, 4
		}},
		"scaffold with local tensors": {4, 1, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Aggregation.LocalTensors = federation.Scaffold, []string{"b*"}
		}},
		"scaffold of an adapter": {4, 1, func(p *federation.Plan) {
			p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{8}}
			p.Aggregation.Rule, p.Aggregation.LocalTensors, p.Local.Steps = federation.Scaffold, []string{"layer1.bias"}, 40
			p.Local.Trained, p.Privacy.Clip = []string{"layer1.*"}, 8
		}},
		"trimmed mean": {9, 3, func(p *federation.Plan) { p.Aggregation.Rule, p.Aggregation.Trim = federation.TrimmedMean, 1 }},
		"median":       {9, 3, func(p *federation.Plan) { p.Aggregation.Rule = federation.Median }},
		"geometric median": {9, 3, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Aggregation.Iterations = federation.GeometricMedian, 40
		}},
		"krum": {15, 5, func(p *federation.Plan) {
			p.Aggregation.Rule, p.Aggregation.Hostile, p.Aggregation.Keep = federation.Krum, 1, 2
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, c.hospitals, c.groups, func(p *federation.Plan) {
				p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Privacy.Bits = 3, 3, 24
				c.change(p)
			}, keepOneRound)
			if c.hospitals == 4 {
				w.useHeartDisease()
			}
			w.runToEnd()
			w.compareWithTwin()
		})
	}
}

// TestScaffoldWithAHospitalThatIsAway: who was not summed does not move, at the server or
// in the hospital, which starts again from what it kept.
func TestScaffoldWithAHospitalThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Privacy.Bits = 6, 0, 24
		p.Aggregation.Rule, p.Aggregation.LocalTensors, p.Privacy.Clip = federation.Scaffold, []string{"bias"}, 4
	}, keepOneRound)
	c, stop := w.coordinator()
	away := w.hospital(w.names[3])
	for _, name := range w.names[:3] {
		defer w.hospital(name)()
	}
	version := func(n uint64) func(coordinator.Status) bool {
		return func(s coordinator.Status) bool { return s.Version >= n }
	}
	w.until(c, "two rounds", version(3))
	away()
	w.until(c, "two rounds of three hospitals", version(5))
	defer w.hospital(w.names[3])()
	w.until(c, "the plan's end", finished)
	stop()
	if partial := w.compareWithTwin(); partial == 0 || partial == w.plan.Schedule.Rounds {
		t.Errorf("%d of %d rounds are without the hospital that was away", partial, w.plan.Schedule.Rounds)
	}
}

// useHeartDisease has four hospitals read the real records, where they are.
func (w *world) useHeartDisease() {
	const split43 = "../../../shared/data/heart-disease/split43"
	if _, err := os.Stat(split43); err != nil {
		w.t.Logf("DATA ABSENT: %s: generated records are used", split43)
		return
	}
	w.records = split43
}

// runToEnd lets all hospitals take part until the plan has ended.
func (w *world) runToEnd() {
	w.t.Helper()
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	s := w.until(c, "the plan's end", finished)
	for _, name := range w.names {
		w.report(name, s.Version)
	}
}

// twin is the plaintext of a federation.
type twin struct {
	w        *world
	plan     federation.Plan
	members  []twinHospital
	momentum []float64 // and first moment
	second   []float64
	control  []float64
}

type twinHospital struct {
	name    string
	id      federation.HospitalID
	table   *dataset.Table
	trainer train.Trainer
	control []float64
	local   map[int]float32
}

// compareWithTwin replays the log and does every train round again without encryption; it
// returns how many were without some hospital.
func (w *world) compareWithTwin() (partial int) {
	w.t.Helper()
	bucket, err := local.Open(filepath.Join(w.dir, "coordinator", "state"))
	w.must(err)
	defer bucket.Close()
	report, err := audit.Replay(w.t.Context(), bucket, audit.Options{Charter: w.charter.Digest()})
	w.must(err)
	versions, scores := report.Count(audit.Rederived)
	if versions != w.plan.Schedule.Rounds+1 || (scores == 0) != (w.plan.Schedule.EvaluateEvery == 0) {
		w.t.Fatalf("%d versions and %d scores re-derived", versions, scores)
	}
	for _, e := range report.Evaluations {
		if w.records != "" && e.Version == uint64(versions) && (e.AUC == nil || *e.AUC < 0.85) {
			w.t.Errorf("AUC of the last version is %s, want 0.85 on these records", federation.Encode(e.AUC))
		}
	}
	w.retire(bucket, report)
	tw := w.newTwin()
	before, err := models.Get(w.t.Context(), bucket, report.Versions[0].Snapshot)
	w.must(err)
	for _, v := range report.Versions[1:] {
		after, err := models.Get(w.t.Context(), bucket, v.Snapshot)
		w.must(err)
		got, _, err := models.OfPlan(w.plan, after)
		w.must(err)
		if v.Cohort < len(w.names) {
			partial++
		}
		want := tw.round(before, w.summedIn(v, after))
		moved := 0.0
		base, _, _ := models.OfPlan(w.plan, before)
		for i := range want {
			moved = max(moved, math.Abs(want[i]-float64(base[i])))
			if math.Abs(float64(got[i])-want[i]) > 1e-4 {
				w.t.Errorf("version %d parameter %d: %v, the twin has %v", v.Number, i, got[i], want[i])
			}
		}
		if moved < 0.01 {
			w.t.Errorf("version %d: no parameter moved by more than %v", v.Number, moved)
		}
		before = after
	}
	return partial
}

// summedIn lists who was summed: where hospitals keep state the snapshot says it,
// elsewhere it must be all.
func (w *world) summedIn(v audit.Version, after models.Snapshot) []federation.HospitalID {
	w.t.Helper()
	var list []federation.HospitalID
	counted, err := models.LastCounted(w.plan, after)
	w.must(err)
	for _, c := range counted {
		if c.Round == v.Round {
			list = append(list, c.Hospital)
		}
	}
	if !w.plan.Aggregation.KeepsState() {
		for _, m := range w.charter.Members {
			list = append(list, m.ID)
		}
	}
	if len(list) != v.Cohort {
		w.t.Fatalf("version %d: %d hospitals are counted, %d summed", v.Number, len(list), v.Cohort)
	}
	return list
}

// keepOneRound lets the ciphertexts of all rounds but the last go.
func keepOneRound(o *setup.Options) { o.Retention = federation.Retention{Rounds: 1} }

// retire deletes the ciphertexts that expired: group sums, share sums and the rule's state
// remain, and every version still follows.
func (w *world) retire(bucket *local.Bucket, before audit.ReplayReport) {
	w.t.Helper()
	done, err := coordinator.Retire(w.t.Context(), bucket, w.charter.Digest(), false, func(int, int) {})
	w.must(err)
	report, err := audit.Replay(w.t.Context(), bucket, audit.Options{Charter: w.charter.Digest()})
	w.must(err)
	attested, _ := report.Count(audit.SumAttested)
	derived, _ := report.Count(audit.Rederived)
	expired := 0
	for _, v := range before.Versions {
		if v.Round <= done.Through {
			expired++
		}
	}
	if expired == 0 || attested != expired || attested+derived != len(before.Versions) {
		w.t.Errorf("of %d versions %d are attested and %d re-derived after ciphertexts were retired: %+v", len(before.Versions), attested, derived, done)
	}
	for i, v := range report.Versions {
		if v.Snapshot != before.Versions[i].Snapshot {
			w.t.Errorf("version %d is another without ciphertexts", v.Number)
		}
	}
}

func (w *world) newTwin() *twin {
	n := w.plan.ParameterCount()
	tw := &twin{w: w, plan: w.plan, momentum: make([]float64, n), second: make([]float64, n), control: make([]float64, n)}
	for i := range tw.second {
		tw.second[i] = w.plan.Aggregation.Tau * w.plan.Aggregation.Tau
	}
	for i, name := range w.names {
		table, err := dataset.Read(w.config(name).Train, w.plan, dataset.Options{})
		w.must(err)
		trainer, err := train.New(w.plan.Model, len(w.plan.Features), table.Rows)
		w.must(err)
		w.t.Cleanup(func() { trainer.Close() })
		tw.members = append(tw.members, twinHospital{name, w.result.Hospitals[i].ID, table, trainer, make([]float64, n), map[int]float32{}})
	}
	return tw
}

// round returns the parameters after a version.
func (tw *twin) round(base models.Snapshot, summed []federation.HospitalID) []float64 {
	w, p, a := tw.w, tw.plan, tw.plan.Aggregation
	x, norm, err := models.OfPlan(p, base)
	w.must(err)
	n := len(x)
	shared := make([]bool, 0, n)
	for _, t := range p.Tensors() {
		for range t.Size() {
			shared = append(shared, p.IsShared(t.Name))
		}
	}
	deltas, weights, norms := make([][]float64, len(tw.members)), make([]float64, len(tw.members)), make([]float64, len(tw.members))
	controls := make([]float64, n)
	var total float64
	for h := range tw.members {
		m := &tw.members[h]
		deltas[h] = make([]float64, n)
		if !slices.Contains(summed, m.id) {
			continue
		}
		start, correction := slices.Clone(x), []float32(nil)
		for i, v := range m.local {
			start[i] = v
		}
		if a.Rule == federation.Scaffold {
			correction = make([]float32, n)
			for i := range correction {
				correction[i] = float32(tw.control[i] - m.control[i])
			}
		}
		in, y, err := m.table.Inputs(norm)
		w.must(err)
		change, _, err := m.trainer.Train(w.t.Context(), start, correction, in, y, m.table.Rows, p.Local, orderSeed(m.name, p.Questions(federation.Train, models.ParametersDigest(base))))
		w.must(err)
		weights[h] = float64(min(m.table.Rows, p.Privacy.WeightCap))
		total += weights[h]
		steps := p.Local.Steps
		if steps == 0 {
			steps = p.Local.Epochs * ((m.table.Rows + p.Local.Batch - 1) / p.Local.Batch)
		}
		norms[h] = float64(steps)
		if alpha := p.Local.LearningRate * p.Local.ProxMu; alpha > 0 {
			norms[h] = (1 - math.Pow(1-alpha, float64(steps))) / alpha
		}
		if rho := p.Local.Momentum; rho > 0 {
			norms[h] = (float64(steps) - rho*(1-math.Pow(rho, float64(steps)))/(1-rho)) / (1 - rho)
		}
		for i, d := range change {
			if !shared[i] {
				m.local[i] = start[i] + d // of what is not trained, the base's
				continue
			}
			deltas[h][i] = float64(d)
			if a.Rule == federation.Scaffold {
				next := m.control[i] - tw.control[i] - float64(d)/(norms[h]*p.Local.LearningRate)
				controls[i] += weights[h] * (next - m.control[i])
				m.control[i] = next
			}
		}
	}
	mean := make([]float64, n)
	var effort float64
	for h := range tw.members {
		effort += weights[h] / total * norms[h]
	}
	for h, d := range deltas {
		for i, v := range d {
			if a.Rule == federation.FedNova && v != 0 {
				v *= effort / norms[h]
			}
			mean[i] += weights[h] / total * v
		}
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(x[i])
	}
	for i := range controls {
		tw.control[i] += float64(len(summed)) / float64(len(tw.members)) * controls[i] / total
	}
	return tw.step(out, mean, deltas, weights)
}

// step is the server's side.
func (tw *twin) step(x, mean []float64, deltas [][]float64, weights []float64) []float64 {
	a := tw.plan.Aggregation
	if a.Robust() {
		mean = tw.robust(deltas, weights)
	}
	for i, d := range mean {
		switch a.Rule {
		case federation.FedAvgM:
			tw.momentum[i] = a.Momentum*tw.momentum[i] + d
			x[i] += a.LearningRate * tw.momentum[i]
			continue
		case federation.FedAdagrad:
			tw.second[i] += d * d
		case federation.FedYogi:
			if s := tw.second[i]; s > d*d {
				tw.second[i] = s - (1-a.Beta2)*d*d
			} else if s < d*d {
				tw.second[i] = s + (1-a.Beta2)*d*d
			}
		case federation.FedAdam:
			tw.second[i] = a.Beta2*tw.second[i] + (1-a.Beta2)*d*d
		default:
			x[i] += a.LearningRate * d
			continue
		}
		tw.momentum[i] = a.Beta1*tw.momentum[i] + (1-a.Beta1)*d
		x[i] += a.LearningRate * tw.momentum[i] / (math.Sqrt(tw.second[i]) + a.Tau)
	}
	return x
}

// robust combines the groups' means.
func (tw *twin) robust(deltas [][]float64, weights []float64) []float64 {
	a, n := tw.plan.Aggregation, len(deltas[0])
	var points [][]float64
	for _, group := range tw.w.charter.Groups {
		point, total := make([]float64, n), 0.0
		for h, m := range tw.members {
			if slices.Contains(group, m.id) {
				total += weights[h]
				for i, d := range deltas[h] {
					point[i] += weights[h] * d
				}
			}
		}
		for i := range point {
			point[i] /= total
		}
		points = append(points, point)
	}
	out := make([]float64, n)
	distance := func(a, b []float64) float64 {
		sum := 0.0
		for i := range a {
			sum += (a[i] - b[i]) * (a[i] - b[i])
		}
		return math.Sqrt(sum)
	}
	switch a.Rule {
	case federation.TrimmedMean, federation.Median:
		for i := range out {
			var v []float64
			for _, p := range points {
				v = append(v, p[i])
			}
			slices.Sort(v)
			out[i] = v[len(v)/2] // of three groups both are the one in the middle
		}
	case federation.GeometricMedian:
		for i := range out {
			for _, p := range points {
				out[i] += p[i] / float64(len(points))
			}
		}
		for range a.Iterations {
			next, total := make([]float64, n), 0.0
			for _, p := range points {
				k := 1 / distance(p, out)
				total += k
				for i := range next {
					next[i] += k * p[i]
				}
			}
			for i := range out {
				out[i] = next[i] / total
			}
		}
	case federation.Krum:
		order := make([]int, len(points))
		scores := make([]float64, len(points))
		for g, p := range points {
			var d []float64
			for k, q := range points {
				if k != g {
					d = append(d, distance(p, q)*distance(p, q))
				}
			}
			slices.Sort(d)
			for _, v := range d[:len(points)-a.Hostile-2] {
				scores[g] += v
			}
			order[g] = g
		}
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, scores[a]-scores[b])) })
		for _, g := range order[:a.Keep] {
			for i, v := range points[g] {
				out[i] += v / float64(a.Keep)
			}
		}
	}
	return out
}

// orderSeed is the order of a hospital's records where rounding follows from a seed.
func orderSeed(name string, questions []string) uint64 {
	b := fmt.Appendf(nil, "atrium/demonstration/v1\norder\n%s\n", name)
	b = binary.BigEndian.AppendUint64(b, 7)
	sum := sha256.Sum256(append(b, federation.Encode(questions)...))
	return binary.LittleEndian.Uint64(sum[:8])
}
