package rpc_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
	"atrium/storage/local"
)

// world is a federation in one process: real files, real TLS, real encryption.
type world struct {
	t       *testing.T
	dir     string
	names   []string
	plan    federation.Plan
	address string
	logger  *slog.Logger
	logs    *recorder
	charter federation.Charter
	result  setup.Result
	between grpc.UnaryServerInterceptor // between hospitals and server, or nil
	records string                      // folder of real records; empty: generated ones
}

func newWorld(t *testing.T, hospitals, rounds int) *world {
	t.Helper()
	return newWorldOf(t, hospitals, 1, func(p *federation.Plan) {
		p.Schedule.Rounds = rounds
		p.Schedule.EvaluateEvery = 2
	})
}

// newWorldOf is a world with groups and a plan of its own.
func newWorldOf(t *testing.T, hospitals, groups int, change func(*federation.Plan), options ...func(*setup.Options)) *world {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "federation"), address: listener.Addr().String(), plan: plans.Cardiology()}
	listener.Close()
	w.plan.Schedule.GraceSeconds = 1
	change(&w.plan)
	seed := uint64(7)
	data := t.TempDir()
	for i := range hospitals {
		cohort := dataset.Generate(seed, i)
		w.names = append(w.names, cohort.Name)
		if err := cohort.WriteCSV(data, cohort.Name); err != nil {
			t.Fatal(err)
		}
	}
	o := setup.Options{Dir: w.dir, Federation: "cardiology", Hospitals: w.names, Groups: groups, Numbers: federation.Tolerant(hospitals, groups), Address: w.address,
		Plan: w.plan, ShowNames: true, RoundingSeed: &seed, Data: func(name string) (string, string) {
			return filepath.Join(data, name+"_train.csv"), filepath.Join(data, name+"_test.csv")
		}}
	for _, f := range options {
		f(&o)
	}
	if w.result, err = setup.Init(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	level := slog.LevelWarn
	if os.Getenv("ATRIUM_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	w.charter = w.result.Charter
	w.logs = &recorder{Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}), lines: make(chan string, 1024)}
	w.logger = slog.New(w.logs)
	return w
}

// coordinator starts a coordinator and returns it with a function that stops it.
func (w *world) coordinator() (*coordinator.Coordinator, func()) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "coordinator")
	charter, err := setup.LoadCharter(filepath.Join(dir, "charter.json"))
	w.must(err)
	key, err := setup.LoadLogKey(filepath.Join(dir, "log.key"))
	w.must(err)
	cert, err := setup.LoadKeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	w.must(err)
	pool, err := setup.LoadPool(filepath.Join(dir, "ca.crt"))
	w.must(err)
	bucket, err := local.Open(filepath.Join(dir, "state"))
	w.must(err)
	c, err := coordinator.Open(w.t.Context(), coordinator.Config{Bucket: bucket, Key: key, Charter: charter, Logger: w.logger,
		Addresses: []string{w.address}})
	w.must(err)
	listener, err := net.Listen("tcp", w.address)
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- c.Run(ctx) }()
	go func() {
		if w.between != nil {
			done <- rpc.New(w.logger, c).ServeWith(ctx, listener, rpc.ServerTLS(cert, pool), w.between)
			return
		}
		done <- rpc.New(w.logger, c).Serve(ctx, listener, rpc.ServerTLS(cert, pool))
	}()
	return c, func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				w.t.Errorf("coordinator: %v", err)
			}
		}
		bucket.Close()
	}
}

// recorder keeps what the coordinator warns of, for a test that waits for it.
type recorder struct {
	slog.Handler
	lines chan string
}

func (r *recorder) Handle(ctx context.Context, record slog.Record) error {
	text := record.Message
	record.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	select {
	case r.lines <- text:
	default: // nobody waits for so many
	}
	return r.Handler.Handle(ctx, record)
}

// hospital starts a daemon and returns a function that stops it.
func (w *world) hospital(name string) func() {
	w.t.Helper()
	d, err := w.open(name)
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("hospital %s: %v", name, err)
		}
		w.must(d.Close())
	}
}

// open makes a daemon that does not run yet.
func (w *world) open(name string) (*client.Daemon, error) {
	w.t.Helper()
	return client.Open(w.config(name))
}

// config is that of a hospital's daemon, whose records it writes.
func (w *world) config(name string) client.Config {
	w.t.Helper()
	dir := filepath.Join(w.dir, "hospitals", name)
	charter, err := setup.LoadCharter(filepath.Join(dir, "charter.json"))
	w.must(err)
	plan, err := setup.LoadPlan(filepath.Join(dir, "plan.yaml"))
	w.must(err)
	rules, err := setup.LoadPolicy(filepath.Join(dir, "policy.yaml"))
	w.must(err)
	identity, err := setup.LoadIdentity(filepath.Join(dir, "identity.key"))
	w.must(err)
	cert, err := setup.LoadKeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	w.must(err)
	pool, err := setup.LoadPool(filepath.Join(dir, "ca.crt"))
	w.must(err)
	data := filepath.Join(dir, "records")
	seed := uint64(7)
	cohort := -1
	for i, n := range w.names {
		if n == name {
			cohort = i
		}
	}
	if w.records != "" {
		data, name = w.records, []string{"cleveland", "hungarian", "switzerland", "va"}[cohort]
	} else {
		w.must(os.MkdirAll(data, 0o700))
		w.must(dataset.Generate(seed, cohort).WriteCSV(data, name))
	}
	return client.Config{Name: w.names[cohort], Addresses: []string{w.address}, TLS: client.ClientTLS(cert, pool, "127.0.0.1"),
		Charter: charter, Plan: plan, Policy: rules, Identity: identity, State: filepath.Join(dir, "state"), Source: filepath.Join(dir, "source"),
		Train: filepath.Join(data, name+"_train.csv"), Test: filepath.Join(data, name+"_test.csv"),
		Logger: w.logger.With("hospital", w.names[cohort]), RoundingSeed: &seed}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// until waits for a state of the coordinator.
func (w *world) until(c *coordinator.Coordinator, what string, reached func(coordinator.Status) bool) coordinator.Status {
	w.t.Helper()
	timeout := time.NewTimer(2 * time.Minute)
	defer timeout.Stop()
	for {
		view := c.View()
		if s := c.Status(); reached(s) {
			return s
		}
		select {
		case <-view.Changed():
		case <-timeout.C:
			w.t.Fatalf("%s: not reached: %+v", what, c.Status())
		}
	}
}

func finished(s coordinator.Status) bool { return s.Finished != "" }

func TestFederationFinishesAndEveryHospitalReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 4)
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	start := time.Now()
	s := w.until(c, "the plan's end", finished)
	t.Logf("%d rounds in %v", s.Round, time.Since(start))
	if s.Version != 5 || s.Trained != 4 || s.Round != 8 {
		t.Errorf("version %d after %d train rounds in %d rounds: want 5, 4, 8", s.Version, s.Trained, s.Round)
	}
	shares := 0.0
	for _, name := range w.names {
		w.report(name, s.Version)
		own, err := client.ReadStatus(filepath.Join(w.dir, "hospitals", name, "state"))
		if err != nil || own.Joined < 7 || own.LeftOut != 0 { // of round 8 it may not know yet
			t.Errorf("%s: of %d rounds left out of %d: %v", name, own.Joined, own.LeftOut, err)
		}
		shares += own.Share
	}
	if math.Abs(shares-1) > 1e-9 {
		t.Errorf("shares of the weight add up to %v", shares)
	}
}

// report waits for a hospital's report on a version.
func (w *world) report(name string, version uint64) client.Report {
	w.t.Helper()
	state := filepath.Join(w.dir, "hospitals", name, "state")
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		r, err := client.ReadReport(state)
		if err == nil && r.Version == version {
			return r
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
		<-ticker.C
	}
	w.t.Fatalf("hospital %s wrote no report on version %d", name, version)
	return client.Report{}
}
