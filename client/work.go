package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/client/participant"
	"atrium/client/policy"
	"atrium/client/train"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// poll waits for work, at the longest until a skipped task may be tried again.
func (d *Daemon) poll(ctx context.Context) (*atriumpb.Work, error) {
	skip, until := d.skipped()
	deadline := time.Now().Add(pollTime + pollSlack)
	if !until.IsZero() && until.Before(deadline) {
		deadline = until
	}
	wait := d.link.route.wait
	if until := time.Now().Add(d.link.standbyTime()); wait && until.Before(deadline) {
		deadline = until
	}
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	work, err := d.link.api.Poll(waiting, d.pollRequest(skip, wait))
	if status.Code(err) == codes.DeadlineExceeded && len(skip) > 0 {
		return &atriumpb.Work{}, nil
	}
	if status.Code(err) == codes.DeadlineExceeded && wait && ctx.Err() == nil {
		err = errStoodBy
	}
	return work, err
}

func (d *Daemon) pollRequest(skip []string, wait bool) *atriumpb.PollRequest {
	incarnation, charter := d.state.Live.Incarnation, d.cfg.Charter.Digest()
	return &atriumpb.PollRequest{Federation: d.cfg.Charter.Federation, Incarnation: incarnation[:],
		SeenSize: d.state.Seen.Size, Checkpoint: d.checkpoint, Adopted: d.adopted, Skip: skip, Charter: charter[:], Wait: wait}
}

// checkLists refuses more signed messages than any federation has hospitals to sign them,
// before a signature is looked at.
func checkLists(w *atriumpb.Work) error {
	for _, list := range [][][]byte{w.GetReadies(), w.GetVouches(), w.GetSends(), w.GetDerived()} {
		if len(list) > federation.MaxHospitals {
			return fmt.Errorf("%d signed messages, %d hospitals at most: %w", len(list), federation.MaxHospitals, ErrDishonest)
		}
	}
	return nil
}

// perform does one task.
func (d *Daemon) perform(ctx context.Context, w *atriumpb.Work) error {
	if err := checkLists(w); err != nil {
		return err
	}
	if w.GetKind() == "join" && w.GetRound() != d.part.round || w.GetKind() == "adopt" {
		d.tally(ctx)
	}
	if err := d.learnOver(ctx, w); err != nil {
		return err
	}
	switch w.GetKind() {
	case "charter":
		return d.nextCharter(ctx, w)
	case "join":
		return d.join(ctx, w)
	case "update":
		err := d.mayUpdate(ctx, w)
		if err == nil {
			err = d.update(ctx, w)
		}
		if err == nil {
			d.served(w.GetRound())
		}
		return d.orDecline(ctx, w, federation.RoleUpdate, err)
	case "ready":
		return d.orDecline(ctx, w, federation.RoleCustodian, d.witnessed(ctx, w, d.ready(ctx, w)))
	case "vouch":
		return d.vouch(ctx, w)
	case "send":
		return d.orDecline(ctx, w, federation.RoleCustodian, d.witnessed(ctx, w, d.send(ctx, w)))
	case "derive":
		return d.derive(ctx, w)
	case "burn":
		return d.burn(ctx, w)
	case "adopt":
		return d.adopt(ctx, w)
	}
	return unknownTask(w.GetKind())
}

// mayUpdate checks the manifest of an update that is not fixed yet: this hospital is in
// its cohort, with as many hospitals that it knows as its policy wants.
func (d *Daemon) mayUpdate(ctx context.Context, w *atriumpb.Work) error {
	digest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	if m, _ := d.state.Recall(digest); !m.Submission.IsZero() {
		return nil // it is sent again as it is
	}
	if err := d.ensureManifest(ctx, w); err != nil {
		return err
	}
	if err := participant.MaySubmit(d.state, d.live.manifest); err != nil {
		return err
	}
	group, _ := d.live.manifest.Cohort(d.self)
	return d.cfg.Policy.JudgeGroup(d.cfg.Charter, d.self, d.live.manifest.Groups[group])
}

// orDecline tells the coordinator when this run of the daemon does not do its part,
// because the keys of the run before are gone or because a rule forbids it.
func (d *Daemon) orDecline(ctx context.Context, w *atriumpb.Work, role string, err error) error {
	reason, decline := d.reason(err)
	if !decline {
		return err
	}
	d.refused(w, err)
	header := federation.Sum(w.GetHeader())
	if sent := d.decline(ctx, header, role, reason); sent != nil {
		return sent
	}
	if role == federation.RoleUpdate && d.state.IsCustodian() && d.state.Live.Header != header {
		return d.decline(ctx, header, federation.RoleCustodian, reason)
	}
	return nil
}

// errNotComputed: local records, model or machine did not give an update. The reason
// stays here.
var errNotComputed = errors.New("the update could not be computed here")

// reason says in the words of the hospital's own rules why it declines, if it does.
func (d *Daemon) reason(err error) (reason string, decline bool) {
	var refusal *policy.Refusal
	var gate *aggregation.GateError
	switch {
	case errors.As(err, &refusal):
		return refusal.Told(), true
	case errors.As(err, &gate): // its numbers stay here
		return "gate " + gate.Gate, true
	case errors.Is(err, participant.ErrRestarted), errors.Is(err, participant.ErrNotJoined) && d.state.Live.Header.IsZero():
		return "the daemon restarted since it joined", true
	case errors.Is(err, train.ErrNotFinite), errors.Is(err, fixedpoint.ErrNotFinite):
		return "the update was not finite", true
	case errors.Is(err, ErrElsewhere): // which one stays here
		return ErrElsewhere.Error(), true
	case errors.Is(err, errKept):
		return errKept.Error(), true
	case errors.Is(err, errTooSlow):
		return errTooSlow.Error(), true
	case errors.Is(err, errNotComputed):
		return errNotComputed.Error(), true
	case errors.Is(err, errMonth):
		return errMonth.Error(), true
	}
	for _, rule := range []error{participant.ErrNotJoined, participant.ErrNotOurs, participant.ErrAnswered,
		participant.ErrStart, participant.ErrNotWithin, participant.ErrRecovered, participant.ErrClosed, opening.ErrSum, errForms, errLetGo, errFull} {
		if errors.Is(err, rule) {
			return rule.Error(), true
		}
	}
	return "", false
}

// errMonth: an evaluation is about a month that is not over.
var errMonth = errors.New("that month is not over by this hospital's clock")

func (d *Daemon) decline(ctx context.Context, header federation.Digest, role, reason string) error {
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation,
		federation.Decline{V: 1, Header: header, Hospital: d.self, Role: role, Reason: reason})
	d.cfg.Logger.Info("declined", "role", role, "reason", reason)
	d.part.declined = d.part.declined || role == federation.RoleUpdate
	return d.link.send(ctx, "decline", federation.Encode(signed))
}

// join judges a header and takes part, or declines.
func (d *Daemon) join(ctx context.Context, w *atriumpb.Work) error {
	h, err := federation.DecodeHeader(w.GetHeader())
	if err != nil {
		return err
	}
	digest := federation.Sum(w.GetHeader())
	if d.live.join != nil && d.state.Live.Header == digest { // the receipt was lost
		return d.link.send(ctx, "join", d.live.join)
	}
	veto := d.judge(h)
	var refusal *policy.Refusal
	if errors.As(veto, &refusal) && (refusal.Rule != "min_records" || !d.state.IsCustodian()) {
		d.refused(w, veto)
		return d.decline(ctx, digest, federation.RoleUpdate, refusal.Told())
	}
	if veto == nil {
		veto = d.mayAnswerFrom(h)
	}
	why, declines := d.reason(veto)
	if veto != nil && !declines {
		return veto
	}
	if errors.Is(veto, ErrElsewhere) || refusal != nil {
		d.refused(w, veto)
		if !d.state.IsCustodian() {
			return d.decline(ctx, digest, federation.RoleUpdate, why)
		}
	}
	if err := federation.CheckHeader(d.cfg.Charter, d.cfg.Plan, h); err != nil {
		return err
	}
	if err := opening.CheckRing(h.Ring); err != nil {
		return fmt.Errorf("join round %d: %w", h.Round, err)
	}
	checkpoint, err := d.see(w)
	if err != nil {
		return err
	}
	if checkpoint.Size < d.state.Seen.Size || checkpoint.Size != h.Checkpoint.Size || federation.Digest(checkpoint.Root) != h.Checkpoint.Root {
		return fmt.Errorf("join round %d: its header names another checkpoint: %w", h.Round, participant.ErrRollback)
	}
	entries, err := participant.JoinHeader(d.state, d.cfg.Plan, h)
	if err != nil {
		return err
	}
	if err := d.prune(ctx, h.Questions); err != nil {
		return err
	}
	if err := d.persist(entries, nil); err != nil {
		return err
	}
	d.askReleases(h)
	if err := d.signJoin(h, digest, w.GetCheckpoint()); err != nil {
		return err
	}
	if err := d.link.send(ctx, "join", d.live.join); err != nil {
		return err
	}
	d.part = part{round: h.Round}
	if declines {
		return d.decline(ctx, digest, federation.RoleUpdate, why)
	}
	return nil
}

// judge asks the hospital's policy, on the records that the round would use. A month that is
// not over by this hospital's clock is not evaluated, since each is evaluated once.
func (d *Daemon) judge(h federation.Header) error {
	if h.Part.Valid() && time.Now().Before(h.Part.End()) {
		return errMonth
	}
	records := d.train.Rows
	if h.Kind == federation.Evaluate {
		records = d.test.InMonth(h.Part).Rows
	}
	return d.cfg.Policy.Judge(d.cfg.Plan, h, records)
}

// signJoin draws the one-round key of a custodian and signs the Join.
func (d *Daemon) signJoin(h federation.Header, digest federation.Digest, checkpoint []byte) error {
	d.eraseKey()
	d.live = live{header: h}
	line, err := roundlog.Cosign(checkpoint, string(d.self), d.cfg.Identity, time.Now())
	if err != nil {
		return err
	}
	join := federation.Join{V: 1, Header: digest, Hospital: d.self, Cosignature: string(line),
		Counter: d.state.Counter, Incarnation: d.state.Live.Incarnation, Capability: d.capability(), Lacks: d.lacks,
		Releases: participant.Releases(d.state, h, d.cfg.Policy.Released(h.Plan))}
	if d.state.IsCustodian() {
		if d.live.key, err = envelope.NewKey(); err != nil {
			return err
		}
		join.Key = d.live.key.Public()
	}
	d.live.join = federation.Encode(envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, join))
	return nil
}

// see verifies the checkpoint of a task against everything seen before.
func (d *Daemon) see(w *atriumpb.Work) (roundlog.Checkpoint, error) {
	return d.seeUnder(w, d.cfg.Charter.LogKey)
}

// seeUnder is see for a checkpoint that this key must have signed.
func (d *Daemon) seeUnder(w *atriumpb.Work, logKey string) (roundlog.Checkpoint, error) {
	c, err := roundlog.ParseCheckpoint(w.GetCheckpoint(), logKey)
	if err != nil {
		return c, err
	}
	proof, err := hashes(w.GetConsistency())
	if err != nil {
		return c, err
	}
	seen := d.state.Seen
	switch {
	case seen.Size == 0 || seen.Size == c.Size: // the first, or compared by the machine
	case seen.Size < c.Size:
		err = roundlog.CheckConsistency(proof, c.Size, c.Root, seen.Size, roundlog.Hash(seen.Root))
	default:
		err = roundlog.CheckConsistency(proof, seen.Size, roundlog.Hash(seen.Root), c.Size, c.Root)
	}
	if err != nil {
		return c, fmt.Errorf("checkpoint of size %d after %d: %w: %w", c.Size, seen.Size, participant.ErrRollback, err)
	}
	err = d.persist(participant.See(d.state, federation.TreeHead{Size: c.Size, Root: federation.Digest(c.Root)}))
	if err == nil && d.state.Seen.Size == c.Size {
		d.keepCheckpoint(w.GetCheckpoint())
	}
	return c, err
}

func hashes(list [][]byte) ([]roundlog.Hash, error) {
	var out []roundlog.Hash
	for _, b := range list {
		var h roundlog.Hash
		if len(b) != len(h) || len(out) == 64 {
			return nil, errors.New("proof is malformed")
		}
		copy(h[:], b)
		out = append(out, h)
	}
	return out, nil
}

// ensureManifest downloads, verifies and remembers the manifest of the round joined.
func (d *Daemon) ensureManifest(ctx context.Context, w *atriumpb.Work) error {
	digest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	if d.live.manifest.Digest == digest && d.state.Live.Manifest == digest {
		return nil
	}
	raw, err := d.link.fetch(ctx, digest, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	m, err := envelope.OpenManifest(d.cfg.Charter, raw)
	if err != nil {
		return err
	}
	earlier, err := d.earlier(ctx, m)
	if err != nil {
		return err
	}
	if err := d.persist(participant.AcceptManifest(d.state, d.cfg.Plan, d.live.header, m, earlier)); err != nil {
		return err
	}
	d.live.manifest, d.live.since = m, time.Now()
	d.warnMasked()
	return nil
}

// warnMasked says which columns of this hospital are masked, when that changes.
func (d *Daemon) warnMasked() {
	ours := d.masked().But(d.lacks)
	if ours != "" && ours != d.warned {
		d.cfg.Logger.Warn("columns of ours are masked: too few hospitals of the group have them", "round", d.live.header.Round,
			"columns", strings.Join(d.cfg.Plan.ColumnNames(ours), ", "), "fewest", d.cfg.Charter.MinCohort)
	}
	d.warned = ours
}

// masked is what counts as not measured in this hospital's group, by the manifest of the round
// joined.
func (d *Daemon) masked() federation.Columns {
	group, ok := d.live.manifest.Cohort(d.self)
	if !ok {
		return ""
	}
	return federation.MaskOf(d.live.manifest.Masked, group)
}

// earlier downloads and verifies the round to which a manifest is pinned; nil where it is
// to none.
func (d *Daemon) earlier(ctx context.Context, m federation.VerifiedManifest) (*federation.Earlier, error) {
	if m.Pin.IsZero() {
		return nil, nil
	}
	raw, err := d.link.fetch(ctx, m.Pin, federation.MaxManifestBytes)
	if err != nil {
		return nil, err
	}
	var e federation.Earlier
	if e.Manifest, err = envelope.OpenManifest(d.cfg.Charter, raw); err != nil {
		return nil, err
	}
	if raw, err = d.link.fetch(ctx, e.Manifest.Header, federation.MaxPlanBytes); err != nil {
		return nil, err
	}
	e.Header, err = federation.DecodeHeader(raw)
	return &e, err
}

func asDigest(b []byte) (federation.Digest, error) {
	var d federation.Digest
	if len(b) != len(d) {
		return d, fmt.Errorf("digest of %d bytes", len(b))
	}
	copy(d[:], b)
	return d, nil
}
