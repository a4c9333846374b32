package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// The federation of these tests: a real coordinator on a directory and four hospitals
// with real keys and ciphertexts that call its methods. Its rounds are
//
//	1 statistics  version 1
//	2 train       abandoned: two hospitals decline to send an update
//	3 train       abandoned after the candidate stood: two custodians decline, three burn
//	4 train       version 2, with burn certificate; the update of delta is late
//	5 evaluate    of version 2
//	6 train       version 3; alpha's share sums are wrong, gamma says that it derived another
//	7 evaluate    of version 3
//
// and then the stop rule ends the plan. By the charter the ciphertexts of rounds 1 to 5 expired.

// fixture is the store of that federation, and what a liar needs.
type fixture struct {
	objects   *storagetest.Memory
	key       *roundlog.Key
	charter   federation.Charter
	hospitals []*hospital
}

var (
	buildOnce sync.Once
	built     fixture
	buildErr  error
)

// honest returns the fixture, built once in a process, with a store of its own.
func honest(t testing.TB) fixture {
	t.Helper()
	buildOnce.Do(func() { built, buildErr = build(t.TempDir()) })
	if buildErr != nil {
		t.Fatalf("build the federation: %v", buildErr)
	}
	fx := built
	fx.objects = built.objects.Clone()
	return fx
}

func build(dir string) (fixture, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bucket, err := local.Create(dir + "/store")
	if err != nil {
		return fixture{}, err
	}
	defer bucket.Close()
	w, err := newWorld(ctx, bucket)
	if err != nil {
		return fixture{}, err
	}
	if err := w.play(ctx); err != nil {
		return fixture{}, err
	}
	objects := storagetest.NewMemory()
	infos, err := bucket.List(ctx, "")
	for _, info := range infos {
		data, err := bucket.Get(ctx, info.Name, 0, -1)
		if err != nil {
			return fixture{}, err
		}
		objects.Set(info.Name, data)
	}
	return fixture{objects, w.key, w.charter, w.hospitals}, err
}

// world runs a coordinator and its hospitals.
type world struct {
	key       *roundlog.Key
	charter   federation.Charter
	plan      federation.Plan
	c         *coordinator.Coordinator
	hospitals []*hospital
	clock     atomic.Int64 // milliseconds; each reading takes one
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (w *world) now() time.Time {
	return start.Add(time.Duration(w.clock.Add(1)) * time.Millisecond)
}

func testPlan() federation.Plan {
	feature := func(name string, low, high float64) federation.Feature {
		return federation.Feature{Name: name, Min: low, Max: high, Missing: federation.MissingMean}
	}
	return federation.Plan{V: 1, Name: "test", Model: federation.Model{Kind: federation.Logistic},
		Features:    []federation.Feature{feature("age", 18, 100), feature("chol", 0, 700), feature("sex", 0, 1)},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 1},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 8, ClipLeast: 0.01, WeightCap: 100, MinRecords: 10},
		Schedule: federation.Schedule{Rounds: 2, EvaluateEvery: 2, GatherSeconds: 3600, UpdateSeconds: 3600, OpenSeconds: 3600, GraceSeconds: 1,
			Deadline: federation.Deadline{Mode: federation.DeadlineAuto, Least: 1800, Quantile: 0.5, Factor: 2},
			Cohort:   federation.Cohort{Size: 4, Extra: 0.25},
			Stop:     federation.Stop{Metric: federation.MetricAccuracy, Patience: 1, MinDelta: 0.9}}}
}

func newWorld(ctx context.Context, bucket storage.Bucket) (*world, error) {
	w := &world{plan: testPlan()}
	var err error
	if w.key, err = roundlog.GenerateKey("atrium/test", rand.Reader); err != nil {
		return nil, err
	}
	var members []federation.Member
	for i, name := range []string{"alpha", "beta", "gamma", "delta"} {
		h, err := newHospital(name, i)
		if err != nil {
			return nil, err
		}
		w.hospitals = append(w.hospitals, h)
		members = append(members, federation.Member{ID: h.id, Name: name, IdentityKey: h.key.Public().(ed25519.PublicKey), TLSKey: federation.Sum([]byte(name))})
	}
	if w.charter, err = federation.NewCharter("test", w.key.Verifier(), members, true); err != nil {
		return nil, err
	}
	w.charter = w.charter.With(federation.Tolerant(4, 1))
	w.charter.Retention.Rounds = 2
	cfg := coordinator.Config{Bucket: bucket, Key: w.key, Charter: w.charter, Now: w.now}
	if err := coordinator.Create(ctx, cfg, w.countersign(), w.plan); err != nil {
		return nil, err
	}
	w.c, err = coordinator.Open(ctx, cfg)
	return w, err
}

func (w *world) countersign() federation.Countersignatures {
	body := federation.Encode(w.charter)
	signed := federation.Countersignatures{V: 1, Charter: w.charter.Digest()}
	for _, m := range w.charter.Members {
		i := slices.IndexFunc(w.hospitals, func(h *hospital) bool { return h.id == m.ID })
		signed.Signatures = append(signed.Signatures, federation.Countersignature{Signer: m.ID,
			Signature: envelope.Sign(w.hospitals[i].key, envelope.Charter, w.charter.Federation, m.ID, body)})
	}
	return signed
}

// play runs until the plan is finished.
func (w *world) play(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, h := range w.hospitals {
		w.c.Presence().Connected(h.id)
	}
	ran := make(chan error, 1)
	go func() { ran <- w.c.Run(ctx) }()
	err := w.loop(ctx, ran)
	cancel()
	return errors.Join(err, <-ran)
}

func (w *world) loop(ctx context.Context, ran chan error) error {
	for {
		v := w.c.View()
		if v != nil && v.State.Finished != "" && v.State.Expired == 5 && len(v.State.Outcome.Owing) == 0 {
			return w.settled(ctx)
		}
		worked := false
		for _, h := range w.hospitals {
			did, err := w.turn(ctx, h)
			if err != nil {
				return fmt.Errorf("%s in round %d: %w", h.name, w.c.View().State.Round.Number, err)
			}
			worked = worked || did
		}
		if worked {
			continue
		}
		if s := w.c.View().State; !s.Round.Phase.Running() && s.NotBefore != "" {
			w.wait()
		}
		select {
		case <-v.Changed():
		case err := <-ran:
			ran <- err
			return fmt.Errorf("the coordinator ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("nothing happens any more: %s: %w", round.Waiting(w.c.View().State), ctx.Err())
		}
	}
}

// settled waits for the coordinator's last task, which deletes envelopes.
func (w *world) settled(ctx context.Context) error {
	for {
		infos, err := w.c.Bucket().List(ctx, "envelopes/")
		if err != nil || len(infos) <= 1 { // delta's late ones stay
			return err
		}
	}
}

// wait moves the clock by two seconds and lets the coordinator notice.
func (w *world) wait() {
	w.clock.Add(2000)
	w.c.Presence().Connected(w.hospitals[0].id)
	w.c.Presence().Disconnected(w.hospitals[0].id)
}

// stale: the state moved on between a hospital's look and its message.
func stale(err error) bool {
	return errors.Is(err, round.ErrStale) || errors.Is(err, round.ErrWrongPhase) || errors.Is(err, round.ErrNotCustodian)
}
