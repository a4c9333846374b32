package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
)

// perform does one task of the coordinator's own and submits the event that completes it.
func (c *Coordinator) perform(ctx context.Context, t round.Task, v View) error {
	switch t.Kind {
	case round.TaskOpen:
		c.sweep(ctx, v)
		return c.open(ctx, t, v)
	case round.TaskManifest:
		return c.manifest(ctx, t, v)
	case round.TaskPropose:
		return c.giveUp(ctx, t, v, c.propose(ctx, t, v))
	case round.TaskPublish:
		return c.giveUp(ctx, t, v, c.openSum(ctx, t, v))
	case round.TaskFetch:
		return c.Submit(ctx, round.VouchesMissing{Round: t.Round})
	case round.TaskAbandon:
		return c.end(ctx, v, round.RoundDefeated{Round: t.Round})
	case round.TaskExpire:
		return c.Submit(ctx, round.ExpiryReached{})
	case round.TaskFinish:
		c.sweep(ctx, v)
		return c.Submit(ctx, round.PlanEnded{})
	}
	return fmt.Errorf("task %s is unknown", t.ID)
}

// open builds and stores the header of the next round.
func (c *Coordinator) open(ctx context.Context, t round.Task, v View) error {
	s := v.State
	charter := c.cfg.Charter
	format, err := c.format(ctx, t, v)
	if err != nil {
		return fmt.Errorf("open round %d: %w", t.Round, err)
	}
	ring, err := opening.Ring(format.Count(), charter.LargestGroup(), format.Bits)
	if err != nil {
		return fmt.Errorf("open round %d: %w", t.Round, err)
	}
	questions := v.Plan.QuestionsOf(t.RoundKind, s.Model.Parameters, t.Month)
	h := s.OnBase(federation.Header{V: 1, Federation: charter.Federation, Round: t.Round, Kind: t.RoundKind,
		Plan:         s.Plan,
		CharterEpoch: charter.Epoch, Charter: charter.Digest(),
		Threshold: charter.Threshold, MaxHostile: charter.MaxHostile, MaxHostileMembers: charter.MaxHostileMembers, MinCohort: charter.MinCohort,
		Part: t.Month, Questions: questions, Releases: s.ToRelease(t.RoundKind, questions), Format: format, Ring: ring,
		Checkpoint: v.Head,
		GatherBy:   federation.FormatTime(c.moment(s).Clock.Add(time.Duration(s.Schedule.GatherSeconds) * time.Second)),

		UpdateSeconds: t.Seconds,
	})
	if err := federation.CheckHeader(charter, v.Plan, h); err != nil {
		return err
	}
	blob, err := storage.PutBlob(ctx, c.cfg.Bucket, federation.Encode(h))
	if err != nil {
		return err
	}
	return c.Submit(ctx, round.HeaderStored{Header: h, Blob: blob})
}

// format is the plan's, with the clips that follow from the newest version. Hospitals
// check them against that version, of which no more than the head is read here.
func (c *Coordinator) format(ctx context.Context, t round.Task, v View) (fixedpoint.Format, error) {
	if t.RoundKind != federation.Train || !v.Plan.Privacy.AutoClip() {
		return v.Plan.Format(t.RoundKind), nil
	}
	base, err := models.GetHead(ctx, c.cfg.Bucket, v.State.Model.Snapshot)
	if err != nil {
		return fixedpoint.Format{}, err
	}
	return opening.Format(v.Plan, t.RoundKind, base)
}

// manifest builds and stores the manifest from the joins and burns in the log.
func (c *Coordinator) manifest(ctx context.Context, t round.Task, v View) error {
	m := federation.Manifest{V: 1, Header: v.State.Round.Header, Groups: t.Cohort, Masked: t.Masked, Certificates: []federation.BurnCertificate{}, Pin: t.Pin}
	for _, d := range t.Declines {
		signed, err := c.signed(ctx, d.Blob)
		if err != nil {
			return err
		}
		m.Declines = append(m.Declines, signed)
	}
	joined := slices.Clone(v.State.Round.Joined)
	slices.SortFunc(joined, func(a, b round.Joined) int { return cmp.Compare(a.Hospital, b.Hospital) })
	for _, j := range joined {
		signed, err := c.signed(ctx, j.Blob)
		if err != nil {
			return err
		}
		m.Joins = append(m.Joins, signed)
	}
	for _, a := range t.Burnt {
		cert := federation.BurnCertificate{Manifest: a.Manifest}
		burns := slices.Clone(a.Burns)
		slices.SortFunc(burns, func(a, b round.Held) int { return cmp.Compare(a.Hospital, b.Hospital) })
		for _, b := range burns {
			signed, err := c.signed(ctx, b.Blob)
			if err != nil {
				return err
			}
			cert.Burns = append(cert.Burns, signed)
		}
		m.Certificates = append(m.Certificates, cert)
	}
	bytes := federation.Encode(m)
	verified, err := envelope.OpenManifest(c.cfg.Charter, bytes)
	if err != nil {
		return err
	}
	if _, err := storage.PutBlob(ctx, c.cfg.Bucket, bytes); err != nil {
		return err
	}
	return c.Submit(ctx, round.ManifestStored{Manifest: verified})
}

func (c *Coordinator) signed(ctx context.Context, blob federation.Digest) (federation.Signed, error) {
	b, err := storage.GetBlob(ctx, c.cfg.Bucket, blob, federation.MaxMessageBytes)
	if err != nil {
		return federation.Signed{}, err
	}
	return federation.DecodeSigned(b)
}

// propose adds the ciphertexts of a candidate and stores their sums, then what names them.
// Nothing of them can be changed afterwards: it is in the log before anyone gives a share sum.
func (c *Coordinator) propose(ctx context.Context, t round.Task, v View) error {
	candidate, err := v.State.Round.CandidateOf(t.Set)
	if err != nil {
		return err
	}
	r, err := opening.LoadRound(ctx, c.cfg.Bucket, c.cfg.Charter, v.State.Round, candidate)
	if err != nil {
		return err
	}
	for g, members := range candidate.Groups {
		if len(members) == 0 {
			continue
		}
		candidate.Sums[g], err = opening.Add(ctx, c.cfg.Bucket, r, g, opening.Beside{AtHand: c.atHand.get, Keep: func(ctx context.Context, digest federation.Digest, blob []byte) error {
			return storage.PutOnce(ctx, c.cfg.Bucket, storage.Blob(digest), blob)
		}})
		if err != nil {
			return err
		}
	}
	bytes, err := r.Bytes()
	if err != nil {
		return err
	}
	blob, err := storage.PutBlob(ctx, c.cfg.Bucket, federation.Encode(candidate))
	if err != nil {
		return err
	}
	return c.Submit(ctx, round.CandidateStored{Set: t.Set, Blob: blob, Bytes: bytes})
}

// openSum opens the sum of the round with the share sums so far, stores the outcome and
// submits it. When they are not enough the machine is told so.
func (c *Coordinator) openSum(ctx context.Context, t round.Task, v View) error {
	letGo(v.Plan)
	record, err := opening.LoadMessages(ctx, c.cfg.Bucket, c.cfg.Charter, v.State.Round)
	if err != nil {
		return err
	}
	sum, err := opening.Open(ctx, c.cfg.Bucket, record.Round, record.Sends)
	if errors.Is(err, opening.ErrNotOpened) {
		return c.end(ctx, v, round.OpeningFailed{Round: t.Round, Sends: len(record.Sends), Final: sum.Final, Reason: err.Error()})
	} else if err != nil {
		return err
	}
	letGo(v.Plan)
	base, err := opening.Base(ctx, c.cfg.Bucket, record.Round)
	if err != nil {
		return err
	}
	outcome, err := opening.Conclude(record.Round, sum, base)
	if err != nil {
		return c.end(ctx, v, round.SumLost{Round: t.Round, Reason: err.Error()}) // the sum is open: its question was answered
	}
	ev := round.SumOpened{Round: t.Round, Sends: len(record.Sends), Final: sum.Final, Used: sum.Used, Wrong: sum.Wrong, Note: sum.Note()}
	for _, g := range sum.Groups {
		if g.Reason == "" {
			ev.Groups = append(ev.Groups, g.Group)
		}
	}
	return c.publishSum(ctx, v, ev, outcome)
}

// giveUp turns an error that will not go away into the end of the round. Other errors are
// tried again.
func (c *Coordinator) giveUp(ctx context.Context, t round.Task, v View, err error) error {
	if err == nil || ctx.Err() != nil || isStale(err) {
		return err
	}
	deadline, parsed := federation.ParseTime(v.State.Round.Deadline)
	if parsed != nil || !remains(err, c.moment(v.State).Clock.Sub(deadline)) {
		return err
	}
	c.cfg.Logger.Error(string(t.Kind), "round", t.Round, "error", err)
	return c.end(ctx, v, round.SumLost{Round: t.Round, Reason: err.Error()})
}

// remains reports whether an error of an opening is taken for one that will not go away:
// a stored object is missing or damaged, or it is late, some time past the deadline.
func remains(err error, late time.Duration) bool {
	switch {
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrDigest):
		return true
	case passing(err): // a storage that does not answer takes no end of a round either
		return late >= troubleGrace
	}
	return late >= 0
}

// publishSum stores the outcome of a round and submits the event that names it.
func (c *Coordinator) publishSum(ctx context.Context, v View, ev round.SumOpened, outcome opening.Outcome) error {
	letGo(v.Plan)
	ev.Metric = outcome.Result.Evaluation.Metric(v.Plan.Schedule.Stop.Metric)
	var err error
	if ev.Result, err = storage.PutBlob(ctx, c.cfg.Bucket, federation.Encode(outcome.Result)); err != nil {
		return err
	}
	if outcome.Snapshot != nil {
		ev.Parameters, ev.Sketch = models.ParametersDigest(*outcome.Snapshot), outcome.Sketch
		if ev.Snapshot, err = models.Store(ctx, c.cfg.Bucket, *outcome.Snapshot); err != nil {
			return err
		}
		outcome.Snapshot = nil
		letGo(v.Plan)
	}
	return c.end(ctx, v, ev)
}

// end submits the event that ends a round, then deletes its envelopes: they are never
// needed again, and a lost deletion is repeated before the next round and at every start.
func (c *Coordinator) end(ctx context.Context, v View, ev round.Event) error {
	if err := c.Submit(ctx, ev); err != nil {
		return err
	}
	after := c.View().State.Round
	if after.Number == v.State.Round.Number && after.Phase.Running() {
		return nil
	}
	c.atHand.clear()
	return c.deleteEnvelopes(ctx, storage.EnvelopesFolder+v.State.Round.Manifest.String()+"/", "")
}
