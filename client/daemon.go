package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/client/dataset"
	"atrium/client/participant"
	"atrium/client/train"
	"atrium/client/train/external"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/local"
)

// trainerFolder of the state directory is where an external trainer works.
const trainerFolder = "trainer"

// Daemon is one hospital in one federation.
type Daemon struct {
	cfg     Config
	self    federation.HospitalID
	state   participant.State
	journal *journal
	store   bucket // signed messages, ciphertexts and answers until their round is over
	train   *dataset.Table
	lacks   federation.Columns // of train
	warned  federation.Columns // of what is masked, its own
	refusal uint64             // the round of what status shows as refused
	asked   string             // releases that were asked for last, as lines of a policy
	test    *dataset.Table
	source  *Source
	trainer train.Trainer
	link    *link
	live    live
	model   model    // the snapshot used last
	fields  []uint32 // memory of one segment; cleared
	pace    pace

	wire       []byte            // the segment that was sealed last
	wireDigest federation.Digest // of wire

	checkpoint []byte // the largest one seen, as the log's key signed it

	over   federation.Digest // manifest of which it was erased last what Done erases
	failed federation.Digest // manifest of which it was kept last that its sum came to nothing

	task    string // under way
	skip    map[string]time.Time
	adopted uint64
	part    part
	status  *display
	pruned  time.Time // when the store was
}

// live is what dies with the process or with the round.
type live struct {
	key         *envelope.PrivateKey // one-round key of a custodian
	join        []byte               // signed Join, to be sent again unchanged
	header      federation.Header
	manifest    federation.VerifiedManifest
	since       time.Time                                       // when it was verified
	shares      map[federation.Submitter][]uint16               // opened for the candidate
	submissions map[federation.HospitalID]federation.Submission // of it, verified
	candidate   *federation.Candidate                           // that it was ready for last
}

// Open reads records, journal and store, and checks everything that can be checked
// without the coordinator. The caller runs the Daemon and then closes it.
func Open(cfg Config) (*Daemon, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{cfg: cfg, self: cfg.self(), skip: map[string]time.Time{}}
	d.status = newDisplay(cfg.State, func(err error) { cfg.Logger.Warn("status", "error", err) })
	var err error
	if d.train, err = dataset.Read(cfg.Train, cfg.Plan, dataset.Options{Columns: cfg.Columns}); err != nil {
		return nil, err
	}
	d.lacks = dataset.Lacks(d.train, cfg.Plan)
	if d.test, err = dataset.Read(cfg.Test, cfg.Plan, dataset.Options{Columns: cfg.Columns, Dates: true}); err != nil {
		return nil, err
	}
	if err := local.MakeFolders(cfg.State); err != nil {
		return nil, err
	}
	if err := checkFrozen(cfg.State); err != nil {
		return nil, err
	}
	d.journal, d.state, err = openJournal(cfg.State, participant.State{Self: d.self, Charter: cfg.Charter})
	if err != nil {
		return nil, err
	}
	if d.cfg.Charter, err = inForce(cfg.State, cfg.Charter, d.state); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.state.Charter = d.cfg.Charter
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.openSource(cfg.Charter); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openStore opens or creates the store of a state directory.
func openStore(cfg Config) (bucket, error) {
	if cfg.disk.store != nil {
		return cfg.disk.store()
	}
	dir := filepath.Join(cfg.State, "store")
	b, err := local.Open(dir)
	if errors.Is(err, local.ErrNoBucket) {
		b, err = local.Create(dir)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (d *Daemon) open() error {
	var err error
	if d.cfg.disk.journal != nil {
		d.journal.write = d.cfg.disk.journal
	}
	if d.store, err = openStore(d.cfg); err != nil {
		return err
	}
	if d.trainer, err = d.newTrainer(); err != nil {
		return err
	}
	var incarnation federation.Digest
	if _, err := rand.Read(incarnation[:]); err != nil {
		return err
	}
	if _, ok := d.cfg.Charter.Member(d.self); ok { // else it is new in the next epoch
		if err := d.persist(participant.Pin(d.state)); err != nil {
			return err
		}
	}
	if err := d.persist(participant.Start(incarnation), nil); err != nil {
		return err
	}
	d.loadStatus()
	d.loadCheckpoint()
	d.link, err = dial(d.cfg, d.status.get().BytesSent, d.status.connection)
	return err
}

func (d *Daemon) newTrainer() (train.Trainer, error) {
	if d.cfg.Trainer != nil {
		return d.cfg.Trainer, nil
	}
	if d.cfg.Plan.Model.Kind == federation.External {
		return d.openExternal()
	}
	if d.cfg.Program.Path != "" {
		d.cfg.Logger.Warn("the plan's model is built in: the program is not used", "trainer.program", d.cfg.Program.Path)
	}
	return newTrainer(d.cfg.Plan, d.train.Rows)
}

// openExternal starts the hospital's own program. What it works on lies in a folder that no
// backup takes up (setup.CopyTree).
func (d *Daemon) openExternal() (train.Trainer, error) {
	folder := filepath.Join(d.cfg.State, trainerFolder)
	if err := local.MakeFolders(folder); err != nil {
		return nil, err
	}
	t, err := external.Open(context.Background(), external.Config{Program: d.cfg.Program, Plan: d.cfg.Plan, Dir: filepath.Join(folder, ".tmp"),
		Stderr: func(line string) { d.cfg.Logger.Info("trainer", "says", line) }})
	if err != nil { // not a typed nil
		return nil, err
	}
	return t, nil
}

// newTrainer is for a hospital with so many records.
func newTrainer(p federation.Plan, rows int) (train.Trainer, error) {
	if p.Local.Batch > 0 {
		rows = p.Local.Batch
	}
	return train.New(p.Model, p.Inputs(), max(rows, 1))
}

// Close releases files and connections.
func (d *Daemon) Close() error {
	errs := []error{d.journal.close()}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.trainer != nil {
		errs = append(errs, d.trainer.Close())
	}
	if d.link != nil {
		errs = append(errs, d.link.close())
	}
	if d.status != nil {
		d.status.close()
	}
	d.eraseKey()
	return errors.Join(errs...)
}

// persist journals what the machine decided and applies it. decided is its error.
func (d *Daemon) persist(entries []participant.Entry, decided error) error {
	if decided != nil {
		return decided
	}
	if err := d.journal.add(entries); err != nil {
		return fatal{err}
	}
	for _, e := range entries {
		next, err := participant.Apply(d.state, e)
		if err != nil {
			return fatal{err}
		}
		d.state = next
	}
	if err := d.compactJournal(); err != nil {
		return fatal{err}
	}
	return nil
}

// fatal is an error after which the daemon must not go on: its memory is not durable.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// Run asks for work and does it until ctx ends, or the federation goes on without this
// hospital.
func (d *Daemon) Run(ctx context.Context) error {
	d.cfg.Logger.Info("hospital daemon", "hospital", d.cfg.Name, "federation", d.cfg.Charter.Federation,
		"rows", d.train.Rows, "test_rows", d.test.Rows)
	if n := d.test.Quality.Undated; n > 0 {
		d.cfg.Logger.Warn("test records without a readable date are in no month", "records", n, "of", d.test.Rows,
			"column", dataset.LocalName(d.cfg.Columns, d.cfg.Plan.Schedule.Months.Date))
	}
	if d.cfg.RoundingSeed != nil {
		d.cfg.Logger.Warn("rounding follows from a seed: this is for demonstrations")
	}
	if t, ok := d.trainer.(interface{ Interrupt() }); ok {
		defer context.AfterFunc(ctx, t.Interrupt)()
	}
	removed, err := d.removedBefore()
	if err != nil {
		return err
	}
	for ctx.Err() == nil && removed == nil {
		err := d.step(ctx)
		var stop fatal
		switch {
		case err == nil:
			d.link.well()
			continue
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &removed):
			continue
		case errors.As(err, &stop):
			s := d.status.get()
			d.trouble(s.Doing, s.Round, err)
			return err
		}
		d.status.change(noteEvery, func(s *Status) { s.Connected = false })
		d.trouble(doingAway, 0, err)
		d.warn(err)
		if err := d.link.fail(ctx, err); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if removed != nil {
		d.farewell(removed)
	}
	return nil
}

// warn says once an outage what is wrong with the coordinator.
func (d *Daemon) warn(err error) {
	leader, redirected := leaderOf(err)
	known := slices.ContainsFunc(leader, func(a string) bool { return slices.Contains(d.cfg.Addresses, a) })
	switch {
	case !d.link.outage.IsZero():
	case redirected && len(leader) > 0 && !known:
		d.cfg.Logger.Warn("the coordinator that leads is at none of the addresses that are configured here", "leader", leader)
	case !redirected:
		d.cfg.Logger.Warn("coordinator", "address", d.link.route.address(), "error", err)
	}
}

// reconnectDelay is a full-jitter delay, uniform up to the time that the outage lasts: a
// coordinator that is back after two seconds has its hospitals back within two more, and
// the hospitals come one by one.
func reconnectDelay(outage time.Duration) time.Duration {
	return uniform(min(max(outage, backoffFirst), backoffLimit))
}

// jitter is a full-jitter delay: uniform up to a bound that doubles.
func jitter(failures int) time.Duration {
	return uniform(min(backoffFirst<<min(failures, 10), backoffLimit))
}

func uniform(bound time.Duration) time.Duration { return time.Duration(mathrand.Int64N(int64(bound))) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step polls once and does the work that came. Only trouble with the coordinator or
// with our own disk is an error; a task that fails is skipped for a while.
func (d *Daemon) step(ctx context.Context) error {
	work, err := d.poll(ctx)
	if err != nil {
		return err
	}
	if work.GetId() == "" {
		if len(d.skip) == 0 {
			d.waiting()
		}
		return nil
	}
	d.working(work)
	d.task = work.GetId()
	err = d.perform(ctx, work)
	if work.GetKind() == string(round.TaskJoin) {
		if frozen := d.freeze(err); frozen != nil {
			return frozen
		}
	}
	var stop fatal
	switch {
	case err == nil, ctx.Err() != nil:
		d.waiting()
		return nil
	case errors.Is(err, errMovedOn):
		d.cfg.Logger.Info("gave up", "task", work.GetKind(), "round", work.GetRound(), "reason", err)
		return nil
	case errors.As(err, &stop), errors.As(err, new(*removal)), status.Code(err) == codes.Unavailable, status.Code(err) == codes.DeadlineExceeded:
		return err
	case errors.Is(err, participant.ErrClosed):
		d.status.change(noteEvery, func(s *Status) { s.does(doingCharter, 0) })
	case status.Code(err) == codes.FailedPrecondition:
		d.cfg.Logger.Debug("stale", "task", work.GetKind(), "round", work.GetRound(), "error", err)
	default:
		d.refused(work, err)
	}
	if len(d.skip) >= maxSkip { // it would come again at once
		return fmt.Errorf("%d tasks failed within %s, the last: %w", maxSkip, skipTime, err)
	}
	wait := skipTime
	if errors.Is(err, participant.ErrBase) { // the words of custodians are on their way
		wait = baseTime
	}
	d.skip[work.GetId()] = time.Now().Add(wait)
	return nil
}

// skipped lists tasks that failed a moment ago, and when the first may be tried again.
func (d *Daemon) skipped() (ids []string, until time.Time) {
	now := time.Now()
	for id, at := range d.skip {
		if !now.Before(at) {
			delete(d.skip, id)
			continue
		}
		ids = append(ids, id)
		if until.IsZero() || at.Before(until) {
			until = at
		}
	}
	return ids, until
}

func (d *Daemon) eraseKey() {
	if d.live.key != nil {
		d.live.key.Erase()
	}
	d.live.key = nil
	d.eraseShares()
}

func (d *Daemon) eraseShares() {
	for _, share := range d.live.shares {
		clear(share)
	}
	d.live.shares = nil
}

var errUnknownTask = errors.New("the coordinator asks for something that this program does not know")

func unknownTask(kind string) error { return fmt.Errorf("%w: %.40q", errUnknownTask, kind) }
