package client_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/test/bufconn"

	"atrium/client"
	"atrium/client/audit"
	"atrium/client/dataset"
	"atrium/client/policy"
	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/models"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// roster is what processes of a federation are started with; it never changes.
type roster struct {
	charter   federation.Charter
	plan      federation.Plan
	key       *roundlog.Key
	server    *tls.Config
	hospitals []seat
}

// seat is one hospital's part of a roster.
type seat struct {
	name        string
	identity    ed25519.PrivateKey
	cert        tls.Certificate
	pool        *x509.CertPool
	train, test string    // files of records
	records     []float64 // sums of the training records
	weight      float64
	testRows    float64
}

// disks is all that survives the processes of a federation.
type disks struct {
	log    *storagetest.Memory
	stores []*storagetest.Memory
	states []string // directories
}

// newRoster makes a federation of n hospitals, one round of each kind long, in a bubble:
// its certificates are of fake time. It returns the disks before the first start.
func newRoster(t *testing.T, base string, n int, change func(*federation.Plan)) (roster, disks) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 1
	change(&plan)
	var names []string
	for i := range n {
		cohort := dataset.Generate(7, i)
		names = append(names, cohort.Name)
		must(cohort.WriteCSV(base, cohort.Name))
	}
	made, err := setup.Init(t.Context(), setup.Options{Dir: filepath.Join(base, "fed"), Federation: "cardiology", Hospitals: names,
		Numbers: federation.Tolerant(n, 1), Plan: plan})
	must(err)
	r := roster{charter: made.Charter, plan: plan}
	r.key, err = setup.LoadLogKey(filepath.Join(made.Coordinator, "log.key"))
	must(err)
	pool, err := setup.LoadPool(filepath.Join(made.Coordinator, "ca.crt"))
	must(err)
	pair := func(dir string) tls.Certificate {
		cert, err := setup.LoadKeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		must(err)
		return cert
	}
	r.server = rpc.ServerTLS(pair(made.Coordinator), pool)
	d := disks{log: storagetest.NewMemory()}
	for _, h := range made.Hospitals {
		s := seat{name: h.Name, cert: pair(h.Folder), pool: pool,
			train: filepath.Join(base, h.Name+"_train.csv"), test: filepath.Join(base, h.Name+"_test.csv")}
		s.identity, err = setup.LoadIdentity(filepath.Join(h.Folder, "identity.key"))
		must(err)
		table, err := dataset.Read(s.train, plan, dataset.Options{})
		must(err)
		s.records, s.weight = dataset.Sums(table, plan, table.Rows), float64(dataset.Weight(table.Rows, plan.Privacy.WeightCap))
		table, err = dataset.Read(s.test, plan, dataset.Options{})
		must(err)
		s.testRows = float64(table.Rows)
		r.hospitals = append(r.hospitals, s)
		d.stores, d.states = append(d.stores, storagetest.NewMemory()), append(d.states, h.State)
	}
	from, err := local.Open(made.Storage)
	must(err)
	defer from.Close()
	objects, err := from.List(t.Context(), "")
	must(err)
	for _, o := range objects {
		data, err := from.Get(t.Context(), o.Name, 0, -1)
		must(err)
		d.log.Set(o.Name, data)
	}
	return r, d
}

// clone copies disks, the states below dir.
func (d disks) clone(t *testing.T, dir string) disks {
	t.Helper()
	c := disks{log: d.log.Clone()}
	for i := range d.stores {
		c.stores = append(c.stores, d.stores[i].Clone())
		state := filepath.Join(dir, fmt.Sprint("state-", i))
		if err := os.CopyFS(state, os.DirFS(d.states[i])); err != nil {
			t.Fatal(err)
		}
		c.states = append(c.states, state)
	}
	return c
}

// wounds are the faults of the first process of each; the zero Fault is none.
type wounds struct {
	coordinator storagetest.Fault
	daemons     []storagetest.Fault
}

// fed is a federation in one bubble: fake time, no network, disks in memory; the rest is
// real. Its processes come back a second after they ended, as under a service manager.
type fed struct {
	t *testing.T
	roster
	disks
	wounds
	logs  *lockedBuffer
	until federation.RoundKind // the coordinator dies once a round of this kind is published

	slow   time.Duration                                                    // that every call to a disk takes
	writes []func(*storagetest.Memory)                                      // what the coordinator's disk was told to keep, in order
	wall   func() time.Time                                                 // the coordinator's wall clock, if set
	train  func(context.Context, int)                                       // called where a hospital trains, if set
	shift  func(context.Context, int) (context.Context, context.CancelFunc) // waits until a hospital's machine is on, and ends when it is switched off, if set
	steps  func(context.Context, int, int)                                  // called with hospital and steps where it trains, if set
	stored func(name string)                                                // called after each object that the coordinator stores, one at a time, if set
	hook   sync.Mutex                                                       // held while it is

	mu       sync.Mutex
	listener *bufconn.Listener
	lead     *coordinator.Coordinator
	starts   map[string]int
	faulty   map[string]*storagetest.Faulty // of the first process
	acks     []string                       // digests of submissions
	trained  map[string]int                 // by hospital and base
}

func newFed(t *testing.T, r roster, d disks, w wounds) *fed {
	f := &fed{t: t, roster: r, disks: d, wounds: w, logs: &lockedBuffer{}, starts: map[string]int{},
		faulty: map[string]*storagetest.Faulty{}, trained: map[string]int{}}
	for len(f.wounds.daemons) < len(r.hospitals) {
		f.wounds.daemons = append(f.wounds.daemons, storagetest.Fault{})
	}
	return f
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// maxStarts is how often a process may start: one that ends at every start is wedged.
const maxStarts = 8

// supervise keeps a process running until ctx ends. The first one meets the fault.
func (f *fed) supervise(ctx context.Context, name string, disk storage.Bucket, fault storagetest.Fault, run func(context.Context, *storagetest.Faulty) error) {
	for ctx.Err() == nil {
		b := storagetest.NewFaulty(disk, fault)
		f.mu.Lock()
		f.starts[name]++
		starts := f.starts[name]
		if starts == 1 {
			f.faulty[name] = b
		}
		f.mu.Unlock()
		if starts > maxStarts {
			f.logf("%s ended %d times", name, starts-1)
			return
		}
		running, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-b.Died():
				cancel()
			case <-running.Done():
			}
		}()
		err := run(running, b)
		cancel()
		b.Kill()
		f.logf("%s ended: %v", name, err)
		fault = storagetest.Fault{}
		sleep(ctx, time.Second)
	}
}

// died reports whether the first process of a name has.
func (f *fed) died(name string) bool {
	f.mu.Lock()
	first := f.faulty[name]
	f.mu.Unlock()
	if first == nil {
		return false
	}
	select {
	case <-first.Died():
		return true
	default:
		return false
	}
}

func (f *fed) logf(format string, args ...any) {
	fmt.Fprintf(f.logs, "%s === "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// watched is the coordinator's bucket.
type watched struct {
	*storagetest.Faulty
	fed *fed
}

func (w watched) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	err := w.Faulty.PutIfAbsent(ctx, name, data)
	if err != nil {
		return err
	}
	w.keep(name, data)
	if w.fed.stored != nil {
		w.fed.hook.Lock()
		w.fed.stored(name)
		w.fed.hook.Unlock()
	}
	if w.fed.until != "" && strings.HasPrefix(name, storage.LogFolder) && publishes(data) {
		w.Kill()
		return storagetest.ErrDead
	}
	return nil
}

func (w watched) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	err := w.Faulty.CompareAndSwap(ctx, name, old, new)
	if err == nil {
		w.keep(name, new)
	}
	return err
}

func (w watched) Delete(ctx context.Context, name string) error {
	err := w.Faulty.Delete(ctx, name)
	if err == nil {
		w.keep(name, nil)
	}
	return err
}

func (w watched) keep(name string, data []byte) {
	w.fed.mu.Lock()
	defer w.fed.mu.Unlock()
	w.fed.writes = append(w.fed.writes, func(m *storagetest.Memory) { m.Set(name, data) })
}

// slowed is a disk that is slow, if it is to be.
func (f *fed) slowed(b storage.Bucket) storage.Bucket {
	if f.slow == 0 {
		return b
	}
	return storagetest.Slow{Bucket: b, Delay: f.slow}
}

// publishes reports whether a batch of the log publishes a sum.
func publishes(batch []byte) bool {
	b, err := roundlog.UnverifiedBatch(batch)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(b.Entries, func(raw []byte) bool {
		e, err := round.DecodeEntry(raw)
		return err == nil && e.Kind == round.Publish
	})
}

// coordinate is the coordinator's process.
func (f *fed) coordinate(ctx context.Context, b *storagetest.Faulty) error {
	logger := slog.New(slog.NewTextHandler(f.logs, nil))
	c, err := coordinator.Open(ctx, coordinator.Config{Bucket: f.slowed(watched{b, f}), Key: f.key, Charter: f.charter, Logger: logger, Name: "first", Now: f.wall})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	l := bufconn.Listen(1 << 20)
	f.mu.Lock()
	f.listener, f.lead = l, c
	f.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error { return rpc.New(logger, c).Serve(ctx, l, f.server) })
	return g.Wait()
}

func (f *fed) dial(ctx context.Context, _ string) (net.Conn, error) {
	f.mu.Lock()
	l := f.listener
	f.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	return l.DialContext(ctx)
}

// config is that of a hospital's process.
func (f *fed) config(i int, b *storagetest.Faulty) client.Config {
	h := f.hospitals[i]
	seed := uint64(7)
	cfg := client.Config{Name: h.name, Addresses: []string{"coordinator"}, Dial: f.dial, TLS: client.ClientTLS(h.cert, h.pool, "127.0.0.1"),
		Charter: f.charter, Plan: f.plan, Identity: h.identity, State: f.states[i], Train: h.train, Test: h.test, RoundingSeed: &seed,
		Policy:  policy.Policy{Plans: []federation.Digest{f.plan.Digest()}, Kinds: []federation.RoundKind{federation.Statistics, federation.Train, federation.Evaluate}, Peers: f.peers()},
		Logger:  slog.New(acknowledgements{slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug}), f}).With("hospital", h.name),
		Trainer: &oneHot{fed: f, index: i}}
	cfg.KeepIn(f.slowed(b), func(file *os.File, lines []byte) error {
		err := b.Write("journal", func() error {
			_, err := file.Write(lines)
			return err
		})
		if errors.Is(err, storagetest.ErrInjected) && f.wounds.daemons[i].Dies && !f.wounds.daemons[i].Stored {
			_, failed := file.Write(lines[:len(lines)/2]) // death in the middle of a line
			err = errors.Join(err, failed)
		}
		return err
	})
	return cfg
}

// peers are the fingerprints of all hospitals, as people compared them.
func (f *fed) peers() (list []string) {
	for _, m := range f.charter.Members {
		list = append(list, m.Fingerprint().String())
	}
	return list
}

// attend is a hospital's process.
func (f *fed) attend(i int) func(context.Context, *storagetest.Faulty) error {
	return func(ctx context.Context, b *storagetest.Faulty) error {
		if f.shift != nil {
			var off context.CancelFunc
			ctx, off = f.shift(ctx, i)
			defer off()
		}
		d, err := client.Open(f.config(i, b))
		if err != nil {
			return err
		}
		return errors.Join(d.Run(ctx), d.Close())
	}
}

// acknowledgements notes every update that a hospital was told is in the log.
type acknowledgements struct {
	slog.Handler
	fed *fed
}

func (a acknowledgements) WithAttrs(attrs []slog.Attr) slog.Handler {
	return acknowledgements{a.Handler.WithAttrs(attrs), a.fed}
}

func (a acknowledgements) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "update acknowledged" {
		r.Attrs(func(attr slog.Attr) bool {
			if attr.Key == "submission" {
				a.fed.mu.Lock()
				a.fed.acks = append(a.fed.acks, attr.Value.String())
				a.fed.mu.Unlock()
			}
			return true
		})
	}
	return a.Handler.Handle(ctx, r)
}

// oneHot is a train.Trainer whose change is hot, at the hospital's own index and nowhere
// else: what the sum has there says how often the hospital is in it.
type oneHot struct {
	train.Trainer
	fed   *fed
	index int
}

const hot = 0.5

func (o *oneHot) Train(ctx context.Context, base, _, _, _ []float32, rows int, local federation.Local, seed uint64) ([]float32, float64, error) {
	if seed > 0 { // not for the comparison with its own records alone
		question := base[:len(o.fed.hospitals)] // where a version differs from another
		o.fed.mu.Lock()
		o.fed.trained[fmt.Sprint(o.index, question)]++
		o.fed.mu.Unlock()
	}
	if o.fed.train != nil {
		o.fed.train(ctx, o.index)
	}
	if o.fed.steps != nil && seed > 0 {
		o.fed.steps(ctx, o.index, local.StepsOf(rows))
	}
	delta := make([]float32, len(base))
	delta[o.index] = hot
	return delta, 0, nil
}
func (o *oneHot) Score(_, _ []float32, rows int) ([]float64, error) {
	return make([]float64, rows), nil
}
func (o *oneHot) Close() error { return nil }

// settled is later than all that the disks of a stage tell of: every bubble begins at the
// same time.
const settled = time.Hour

// run starts everything, waits until the coordinator's status is reached, and stops
// everything. It reports false when that does not happen within hours.
func (f *fed) run(reached func(coordinator.Status) bool) bool {
	time.Sleep(settled)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { f.supervise(ctx, "coordinator", f.log, f.coordinator, f.coordinate) })
	for i, h := range f.hospitals {
		group.Go(func() { f.supervise(ctx, h.name, f.stores[i], f.wounds.daemons[i], f.attend(i)) })
	}
	ok := f.wait(reached)
	cancel()
	group.Wait()
	synctest.Wait()
	return ok
}

func (f *fed) wait(reached func(coordinator.Status) bool) bool {
	for deadline := time.Now().Add(3 * time.Hour); time.Now().Before(deadline); {
		f.mu.Lock()
		lead := f.lead
		f.mu.Unlock()
		var changed <-chan struct{}
		var s coordinator.Status
		if lead != nil {
			changed, s = lead.View().Changed(), lead.Status()
		}
		if reached(s) {
			return true
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		}
	}
	if f.lead != nil {
		f.logf("not reached: %+v", f.lead.Status())
	}
	return false
}

// history is what the log says after all.
type history struct {
	state     round.State
	abandoned []string
	published []published
	updates   map[string]bool // digests of acknowledged and of discarded updates
}

type published struct {
	round round.Round
	entry round.Entry
	base  round.Version
}

// read replays the log and checks the machine's invariants after every entry.
func (f *fed) read(ctx context.Context) (history, error) {
	h := history{state: round.State{Charter: f.charter}, updates: map[string]bool{}}
	_, err := roundlog.Read(ctx, f.log, f.charter.LogKey, func(b roundlog.Batch) error {
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err != nil {
				return err
			}
			before := h.state
			if h.state, err = round.Apply(before, e); err != nil {
				return err
			}
			if err := round.Invariants(h.state); err != nil {
				return err
			}
			switch e.Kind {
			case round.Update, round.Discard:
				h.updates[e.Blob.String()] = true
			case round.Abandon:
				h.abandoned = append(h.abandoned, e.Reason)
			case round.Publish:
				h.published = append(h.published, published{h.state.Round, e, before.Model})
			}
		}
		return nil
	})
	return h, err
}

// check returns the history, and everything that is wrong with what the processes left
// behind, after a last coordinator has taken the lead.
func (f *fed) check(ctx context.Context) (history, error) {
	if err := f.leadOnce(ctx); err != nil {
		return history{}, err
	}
	h, err := f.read(ctx)
	if err != nil {
		return h, err
	}
	var errs []error
	for _, ack := range f.acks {
		if !h.updates[ack] {
			errs = append(errs, fmt.Errorf("submission %.8s was acknowledged and is not in the log", ack))
		}
	}
	for _, p := range h.published {
		errs = append(errs, f.checkSum(ctx, p))
	}
	anchor := audit.Options{Charter: f.charter.Digest(), Checkpoints: f.checkpoints()}
	verified, err := audit.Verify(ctx, f.log, anchor)
	if err != nil {
		errs = append(errs, fmt.Errorf("verify: %w", err))
	}
	if want := len(anchor.Checkpoints) > 0; err == nil && verified.Anchored != want {
		errs = append(errs, fmt.Errorf("verify: anchored %t, %d hospitals kept a checkpoint", verified.Anchored, len(anchor.Checkpoints)))
	}
	report, err := audit.Replay(ctx, f.log, anchor)
	errs = append(errs, err)
	for _, v := range report.Versions {
		if v.Status != audit.Rederived || !v.Stored {
			errs = append(errs, fmt.Errorf("version %d is %s, stored: %v", v.Number, v.Status, v.Stored))
		}
	}
	errs = append(errs, f.checkEnvelopes(ctx, h), f.checkSends())
	return h, errors.Join(errs...)
}

// checkpoints are those that hospitals kept: whatever crashed, the log goes on from each.
func (f *fed) checkpoints() (list []audit.Checkpoint) {
	for _, state := range f.states {
		if k, err := client.ReadCheckpoint(state); err == nil {
			list = append(list, audit.Checkpoint{File: state, Data: k.Encode()})
		}
	}
	return list
}

// leadOnce lets a coordinator take the lead and end.
func (f *fed) leadOnce(ctx context.Context) error {
	c, err := coordinator.Open(ctx, coordinator.Config{Bucket: f.log, Key: f.key, Charter: f.charter, Name: "first"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for v := c.View(); !v.Leads; v = c.View() {
		select {
		case <-v.Changed():
		case err := <-ended:
			cancel()
			return err
		}
	}
	cancel()
	return <-ended
}

// checkSum: every acknowledged update counts once, and nothing else does.
func (f *fed) checkSum(ctx context.Context, p published) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("round %d, %s: %w", p.round.Number, p.round.Kind, fmt.Errorf(format, args...))
	}
	for _, u := range p.round.Updates {
		if !slices.Contains(p.round.S[0], u.Hospital) {
			return fail("the acknowledged update of %s is not in S", u.Hospital)
		}
	}
	raw, err := storage.GetBlob(ctx, f.log, p.entry.Blob, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return err
	}
	var records, weight, tests float64
	in := make([]float64, len(f.hospitals))
	for i, h := range f.hospitals {
		if slices.Contains(p.round.S[0], federation.NewHospitalID(f.charter.Federation, h.identity.Public().(ed25519.PublicKey))) {
			in[i] = 1
			records, tests, weight = records+h.records[0], tests+h.testRows, weight+h.weight
		}
	}
	switch e := result.Evaluation; p.round.Kind {
	case federation.Statistics:
		if got := result.Statistics.Records[0]; math.Abs(got-records) > 1e-3 { // fractions of a range
			return fail("%v records of %v", got, records)
		}
	case federation.Evaluate:
		if got := e.TP + e.FP + e.TN + e.FN; got != tests {
			return fail("%v records of %v", got, tests)
		}
	case federation.Train:
		if result.Train.Weight != weight {
			return fail("weight %v of %v", result.Train.Weight, weight)
		}
		base, err := f.parameters(ctx, p.base.Snapshot)
		if err != nil {
			return err
		}
		next, err := f.parameters(ctx, p.entry.Snapshot)
		if err != nil {
			return err
		}
		for i := range in {
			if counted := float64(next[i]-base[i]) * weight / (hot * f.hospitals[i].weight); math.Abs(counted-in[i]) > 0.05 {
				return fail("hospital %d is counted %.3f times of %v", i, counted, in[i])
			}
		}
	}
	return nil
}

func (f *fed) parameters(ctx context.Context, digest federation.Digest) ([]float32, error) {
	from := &reader{ctx, f.log, storage.ModelSegment(digest), 0}
	_, params, _, err := models.DecodeForPlan(f.plan, from, nil)
	return params, err
}

type reader struct {
	ctx    context.Context
	bucket storage.Bucket
	name   string
	offset int64
}

func (r *reader) Read(p []byte) (int, error) {
	b, err := r.bucket.Get(r.ctx, r.name, r.offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	r.offset += int64(len(b))
	if len(b) == 0 {
		return 0, io.EOF
	}
	return copy(p, b), nil
}

// checkResumed: what one process did costs nobody else anything. After a crash of the
// coordinator (0) the same round goes on with everyone, and nobody trains again; a hospital
// (from 1) whose update was not on disk sits its round out, which m−t outages survive.
func (f *fed) checkResumed(h history, who int) error {
	survives := len(f.charter.Custodians) > f.charter.Threshold
	if len(h.abandoned) > 0 && (who == 0 || survives) {
		return fmt.Errorf("%d rounds were abandoned, the last because %s", len(h.abandoned), h.abandoned[len(h.abandoned)-1])
	}
	for _, p := range h.published {
		for i, s := range f.hospitals {
			id := federation.NewHospitalID(f.charter.Federation, s.identity.Public().(ed25519.PublicKey))
			if i != who-1 && !slices.Contains(p.round.S[0], id) {
				return fmt.Errorf("%s is not in the sum of round %d", s.name, p.round.Number)
			}
		}
	}
	for question, times := range f.trained {
		if times > 1+len(h.abandoned) {
			return fmt.Errorf("hospital %c trained %d times from one base, %d rounds were abandoned", question[0], times, len(h.abandoned))
		}
	}
	return nil
}

// checkEnvelopes: shares of one-time keys go with their round.
func (f *fed) checkEnvelopes(ctx context.Context, h history) error {
	objects, err := f.log.List(ctx, storage.EnvelopesFolder)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if r := h.state.Round; !r.Phase.Running() || !strings.HasPrefix(o.Name, storage.EnvelopesFolder+r.Manifest.String()) {
			return fmt.Errorf("%s is there after its round", o.Name)
		}
	}
	return nil
}

// checkSends: no custodian sent twice on one question, unless a burn certificate says that
// the first cannot be opened, or nothing came of it.
func (f *fed) checkSends() error {
	for i, h := range f.hospitals {
		state, err := client.ReplayJournal(f.config(i, storagetest.NewFaulty(f.stores[i], storagetest.Fault{})))
		if err != nil {
			return err
		}
		for j, a := range state.Memory {
			for _, b := range state.Memory[:j] {
				if a.HasSent() && b.HasSent() && !b.Certified && !b.Failed && federation.Overlap(a.Questions, b.Questions) {
					return fmt.Errorf("%s sent twice on one question: rounds %d and %d", h.name, b.Round, a.Round)
				}
			}
		}
	}
	return nil
}
