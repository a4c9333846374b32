package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/roundlog"
)

// Create makes a bucket hold the log of a new federation: charter, countersignatures,
// plan and the genesis entry. It refuses a bucket that holds a log.
func Create(ctx context.Context, cfg Config, signed federation.Countersignatures, plan federation.Plan) error {
	if err := errors.Join(cfg.Validate(), plan.Validate()); err != nil {
		return err
	}
	if err := envelope.VerifyCountersignatures(cfg.Charter, signed); err != nil {
		return err
	}
	if err := federation.CheckRule(cfg.Charter, plan); err != nil {
		return err
	}
	origin, err := opening.Origin(ctx, cfg.Bucket, new(round.Archive), round.State{}, plan)
	if err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	log, err := roundlog.Create(ctx, cfg.Bucket, cfg.Key)
	if err != nil {
		return err
	}
	var digests [3]federation.Digest
	for i, blob := range [][]byte{federation.Encode(cfg.Charter), federation.Encode(signed), federation.Encode(plan)} {
		if digests[i], err = storage.PutBlob(ctx, cfg.Bucket, blob); err != nil {
			return err
		}
	}
	state := round.State{Charter: cfg.Charter}
	w := round.When{Now: cfg.Now()}
	var entries [][]byte
	for _, ev := range []round.Event{
		round.Started{Charter: digests[0], Countersignatures: digests[1]},
		round.PlanAccepted{Plan: digests[2], Schedule: plan.Schedule, Rule: plan.Comparing(), Origin: origin},
	} {
		decided, err := round.Decide(state, ev, w)
		if err != nil {
			return err
		}
		for _, e := range decided {
			if state, err = round.Apply(state, e); err != nil {
				return err
			}
			entries = append(entries, e.Encode())
		}
	}
	if _, err := log.Append(ctx, 0, w.Now, entries); err != nil {
		return err
	}
	_, _, _, err = log.Publish(ctx)
	return err
}

// Open reads the log of a federation and returns its coordinator, ready to Run. Recovery
// is a replay of the entries since the newest state that the log names, whatever happened
// before; it writes nothing but tiles and states that are missing.
func Open(ctx context.Context, cfg Config) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Coordinator{cfg: cfg, presence: newPresence(time.Now), places: newPlaces(maxPlaces, placeWait), requests: make(chan request),
		results: make(chan string), stopped: make(chan struct{})}
	if err := c.recover(ctx); err != nil {
		return nil, err
	}
	var err error
	if c.removed, err = readRemoved(ctx, c.cfg.Bucket, c.cfg.Charter); err != nil {
		return nil, err
	}
	c.lease = newLease(cfg)
	if err := errors.Join(c.load(ctx), c.noteHead(ctx)); err != nil {
		return nil, err
	}
	c.publish(c.current)
	return c, nil
}

// take applies a batch of the log, whoever wrote it.
func (c *Coordinator) take(b roundlog.Batch) error {
	for i, raw := range b.Entries {
		index := b.Size + int64(i)
		e, err := round.DecodeEntry(raw)
		if err == nil {
			c.current.State = c.charters.Before(c.current.State, e)
			c.current, err = c.current.follow(e)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if epoch := c.current.State.Epoch; epoch != b.Epoch {
			return fmt.Errorf("entry %d: %w: in a batch of epoch %d, but epoch %d leads", index, round.ErrEntry, b.Epoch, epoch)
		}
	}
	if c.log == nil { // still opening: the log may go through many charters
		return nil
	}
	return checkEpoch(c.current.State, c.cfg.Charter)
}

// load reads the objects that the View keeps at hand.
func (c *Coordinator) load(ctx context.Context) error {
	var err error
	if c.current.Plan, err = opening.Plan(ctx, c.cfg.Bucket, c.current.State.Plan); err != nil {
		return err
	}
	if err := c.loadOutcome(ctx); err != nil {
		return err
	}
	return c.loadHeader(ctx)
}

func (c *Coordinator) loadHeader(ctx context.Context) error {
	r := c.current.State.Round
	if r.Number == 0 {
		return nil
	}
	var err error
	if c.current.Header, err = storage.GetBlob(ctx, c.cfg.Bucket, r.Header, federation.MaxPlanBytes); err != nil {
		return err
	}
	h, err := federation.DecodeHeader(c.current.Header)
	if err != nil {
		return err
	}
	if c.current.HeaderCheckpoint, err = c.log.CheckpointAt(ctx, h.Checkpoint.Size); err != nil {
		return err
	}
	return c.loadCandidate(ctx)
}

// loadOutcome signs the checkpoint that ends with the entry which says what followed from the
// candidate opened last. A later one would be later than the one in the next round's header.
func (c *Coordinator) loadOutcome(ctx context.Context) (err error) {
	if c.current.OutcomeEntry == nil {
		return nil
	}
	c.current.OutcomeCheckpoint, err = c.log.CheckpointAt(ctx, c.current.OutcomeIndex+1)
	return err
}

// loadCandidate signs the checkpoint that ends with the candidate's entry: it is the same for
// whoever is ready for it or vouches, after any restart.
func (c *Coordinator) loadCandidate(ctx context.Context) (err error) {
	if c.current.State.Round.Candidate.IsZero() {
		c.current.CandidateCheckpoint = nil
		return nil
	}
	c.current.CandidateCheckpoint, err = c.log.CheckpointAt(ctx, c.current.CandidateIndex+1)
	return err
}

// noteHead takes up the checkpoint that another published.
func (c *Coordinator) noteHead(ctx context.Context) error {
	size := c.log.Published()
	if size == c.current.Head.Size {
		return nil
	}
	root, err := c.log.RootAt(ctx, size)
	if err != nil {
		return err
	}
	note, err := c.log.CheckpointAt(ctx, size)
	if err != nil {
		return err
	}
	c.current.Checkpoint, c.current.Head = note, federation.TreeHead{Size: size, Root: federation.Digest(root)}
	return nil
}

// published lists the entries after which someone waits for a checkpoint: the next
// header names one, a custodian is ready under one, and an end should be readable.
func published(kind round.EntryKind) bool {
	switch kind {
	case round.Candidate, round.Publish, round.Abandon, round.Finish, round.Expire:
		return true
	}
	return false
}

// publishCheckpoint writes tiles and checkpoint for all that is committed.
func (c *Coordinator) publishCheckpoint(ctx context.Context) error {
	note, size, root, err := c.log.Publish(ctx)
	if err != nil {
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	c.current.Checkpoint, c.current.Head = note, federation.TreeHead{Size: size, Root: federation.Digest(root)}
	return nil
}

// settle does what committed entries bring with them: a checkpoint where someone waits
// for one, the objects of a new round or plan, and the card of a new version.
func (c *Coordinator) settle(ctx context.Context, entries []round.Entry, first int64) error {
	needed := false
	for i, e := range entries {
		last := e.Kind == round.Derived && c.current.State.Finished != "" // no round follows that would bring one
		needed = needed || published(e.Kind) || last || c.current.Stood(first+int64(i))
		if c.current.OutcomeIndex == first+int64(i) {
			if err := c.loadOutcome(ctx); err != nil {
				return err
			}
		}
		switch {
		case e.Kind == round.Open:
			clear(c.failed)
			clear(c.retry)
			if err := c.loadHeader(ctx); err != nil {
				return err
			}
		case e.Kind == round.Candidate:
			if err := c.loadCandidate(ctx); err != nil {
				return err
			}
		case e.Kind == round.PlanSet:
			needed = true
			if err := c.load(ctx); err != nil {
				return err
			}
		case e.Kind == round.Publish && e.Version > 0:
			if err := c.putCard(ctx, e, first+int64(i)); err != nil {
				return err
			}
		}
	}
	if needed {
		return c.publishCheckpoint(ctx)
	}
	return nil
}

// putCard stores the signed card of a version. It is derived from the log, so writing
// it twice gives the same bytes.
func (c *Coordinator) putCard(ctx context.Context, e round.Entry, index int64) error {
	raw, err := storage.GetBlob(ctx, c.cfg.Bucket, e.Blob, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return err
	}
	header, err := opening.Header(ctx, c.cfg.Bucket, c.current.State.Round.Header)
	if err != nil {
		return err
	}
	card := opening.Card(header, result, e, index)
	signed, err := models.SignCard(card, func(body []byte) []byte {
		return envelope.SignCard(c.cfg.Key, c.cfg.Charter.Federation, body)
	})
	if err != nil {
		return err
	}
	return storage.PutOnce(ctx, c.cfg.Bucket, storage.Card(e.Version), federation.Encode(signed))
}

// restoreCards writes the card of the newest version if a crash kept it from being
// written; older ones were written before a later round began.
func (c *Coordinator) restoreCards(ctx context.Context) error {
	v := c.current
	if v.PublishEntry.Version == 0 || v.State.Round.Number != v.PublishEntry.Round || v.State.Round.Phase != round.Done {
		return nil
	}
	return c.putCard(ctx, v.PublishEntry, v.PublishIndex)
}

// sweep deletes the envelopes that are left of rounds that are over. What it cannot
// delete costs no round: the next sweep tries again.
func (c *Coordinator) sweep(ctx context.Context, v View) {
	if err := c.forgetEnvelopes(ctx, v); err != nil && ctx.Err() == nil {
		c.cfg.Logger.Error("delete envelopes of rounds that are over", "error", err)
	}
}

// forgetEnvelopes deletes the envelopes of rounds that are over, which a crash or a
// failed deletion left.
func (c *Coordinator) forgetEnvelopes(ctx context.Context, v View) error {
	running := ""
	if r := v.State.Round; r.Phase.Running() && !r.Manifest.IsZero() {
		running = storage.EnvelopesFolder + r.Manifest.String() + "/"
	}
	return c.deleteEnvelopes(ctx, storage.EnvelopesFolder, running)
}

// deleteEnvelopes deletes what has a prefix, but for what has the other, unless empty.
func (c *Coordinator) deleteEnvelopes(ctx context.Context, prefix, keep string) error {
	objects, err := c.cfg.Bucket.List(ctx, prefix)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if keep != "" && strings.HasPrefix(o.Name, keep) {
			continue
		}
		if err := c.cfg.Bucket.Delete(ctx, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// report logs what was committed, one line a change that an operator cares about.
func (c *Coordinator) report(entries []round.Entry) {
	for _, e := range entries {
		attrs := []any{"round", e.Round}
		switch e.Kind {
		case round.Open:
			c.cfg.Logger.Info("round opened", append(attrs, "kind", e.RoundKind)...)
		case round.Publish:
			c.cfg.Logger.Info("round done", append(attrs, "version", e.Version)...)
			if e.Reason != "" || len(e.Custodians) > 0 {
				c.cfg.Logger.Warn("round done in part", append(attrs, "left_out", e.Reason, "wrong_share_sums", e.Custodians)...)
			}
		case round.Abandon:
			c.cfg.Logger.Warn("round abandoned", append(attrs, "reason", e.Reason)...)
		case round.Discard, round.Declined, round.Refuse:
			c.cfg.Logger.Warn(string(e.Kind), append(attrs, "hospital", e.Hospital, "reason", e.Reason)...)
		case round.Derived:
			if e.Reason != "" {
				c.cfg.Logger.Error("a custodian derived something else", append(attrs, "hospital", e.Hospital, "reason", e.Reason)...)
			}
		case round.Expire:
			c.cfg.Logger.Info("ciphertexts expired", "rounds_up_to", e.Round)
		case round.Finish:
			c.cfg.Logger.Info("plan finished", "reason", e.Reason)
		}
	}
}
