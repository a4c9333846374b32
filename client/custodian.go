package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// ErrDishonest: what the coordinator showed does not fit together.
var ErrDishonest = errors.New("the coordinator's messages do not fit together")

// ready checks a candidate: the log names it, its base was derived, its members are whom the
// policy counts, its envelopes open and C is what they add up to. Then the share sums for
// exactly this candidate are on disk before the coordinator hears of it. Envelopes that could
// not be read are a complaint instead.
func (d *Daemon) ready(ctx context.Context, w *atriumpb.Work) error {
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return err
	}
	head, err := d.checkNamed(w, candidate.Digest())
	if err != nil {
		return err
	}
	if m, _ := d.state.Recall(candidate.Manifest); holds(m, candidate) || m.Candidate == candidate.Digest() { // the receipt was lost
		if err := participant.MaySend(d.state, candidate.Manifest, candidate.Digest()); err != nil {
			return err // it would never send what it says it holds
		}
		return d.sendReady(ctx, w, candidate, head, []federation.HospitalID{})
	}
	if err := d.ensureManifest(ctx, w); err != nil {
		return err
	}
	if err := d.mayStart(w); err != nil {
		return d.otherBase(err)
	}
	if err := d.sketchBase(ctx); err != nil {
		return err
	}
	if err := participant.MayOpen(d.state, d.live.manifest, candidate, d.live.candidate); err != nil {
		return err
	}
	if err := d.judgeGroups(candidate); err != nil {
		return err
	}
	if d.live.key == nil {
		return participant.ErrRestarted
	}
	unreadable, err := d.openEnvelopes(ctx, candidate)
	if err != nil {
		return err
	}
	if len(unreadable) == 0 {
		if err := d.holdShareSums(ctx, candidate); err != nil {
			return err
		}
	}
	return d.sendReady(ctx, w, candidate, head, unreadable)
}

func holds(m participant.Memory, c federation.Candidate) bool {
	_, ok := m.Ready(c.Digest())
	return ok
}

// checkNamed verifies that the log entry which names a candidate is included in a checkpoint
// consistent with all that this hospital has seen.
func (d *Daemon) checkNamed(w *atriumpb.Work, candidate federation.Digest) (federation.TreeHead, error) {
	e, head, err := d.checkEntry(w)
	if err != nil {
		return head, err
	}
	if e.Kind != round.Candidate || e.Round != w.GetRound() || e.Blob != candidate {
		return head, fmt.Errorf("entry %d does not name candidate %s: %w", w.GetEntryIndex(), candidate.Short(), ErrDishonest)
	}
	return head, nil
}

// checkEntry verifies checkpoint and inclusion of the entry that comes with a task.
func (d *Daemon) checkEntry(w *atriumpb.Work) (round.Entry, federation.TreeHead, error) {
	c, err := d.see(w)
	if err == nil {
		err = checkIncluded(w, c)
	}
	if err != nil {
		return round.Entry{}, federation.TreeHead{}, fmt.Errorf("entry %d: %w", w.GetEntryIndex(), err)
	}
	e, err := round.DecodeEntry(w.GetEntry())
	return e, federation.TreeHead{Size: c.Size, Root: federation.Digest(c.Root)}, err
}

func (d *Daemon) sendReady(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate, head federation.TreeHead, unreadable []federation.HospitalID) error {
	line, err := roundlog.Cosign(w.GetCheckpoint(), string(d.self), d.cfg.Identity, time.Now())
	if err != nil {
		return err
	}
	m, _ := d.state.Recall(candidate.Manifest)
	r := federation.Ready{V: 1, Manifest: candidate.Manifest, Candidate: candidate.Digest(), Custodian: d.self,
		Asks: asks(m, candidate), Unreadable: unreadable, Checkpoint: head, Cosignature: string(line)}
	return d.link.send(ctx, "ready", federation.Encode(envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, r)))
}

// asks is what a candidate under a manifest that is remembered answers.
func asks(m participant.Memory, c federation.Candidate) federation.Digest {
	return federation.AsksDigest(m.Questions, federation.SetDigest(c.Set()))
}

// judgeGroups asks the hospital's policy about every group that is summed.
func (d *Daemon) judgeGroups(c federation.Candidate) error {
	for _, group := range c.Set() {
		if len(group) == 0 {
			continue
		}
		if err := d.cfg.Policy.JudgeGroup(d.cfg.Charter, d.self, group); err != nil {
			return err
		}
	}
	return nil
}

// openEnvelopes verifies every submission of a candidate and opens its envelope. A
// message that does not fit the candidate or the manifest is the coordinator's doing
// and refuses the whole; an envelope that cannot be read is a complaint.
func (d *Daemon) openEnvelopes(ctx context.Context, candidate federation.Candidate) ([]federation.HospitalID, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream on every way out
	defer cancel()
	stream, err := d.link.api.Envelopes(ctx, &atriumpb.EnvelopesRequest{Federation: d.link.federation, Candidate: digestBytes(candidate.Digest())})
	if err != nil {
		return nil, err
	}
	d.eraseShares() // those of another candidate
	shares, submissions := map[federation.Submitter][]uint16{}, map[federation.HospitalID]federation.Submission{}
	unreadable := []federation.HospitalID{}
	for _, group := range candidate.Groups {
		for _, member := range group {
			item, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("envelope of %s is missing: %w", member.Hospital, ErrDishonest)
			}
			if err != nil {
				return nil, err
			}
			share, err := d.openEnvelope(member, item, submissions)
			if errors.Is(err, ErrDishonest) {
				return nil, err
			}
			if err != nil {
				d.cfg.Logger.Warn("envelope", "from", member.Hospital, "error", err)
				unreadable = append(unreadable, member.Hospital)
				continue
			}
			shares[member] = share
		}
	}
	if _, err := stream.Recv(); err == nil {
		return nil, fmt.Errorf("more envelopes than submitters: %w", ErrDishonest)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	d.live.shares, d.live.submissions = shares, submissions
	slices.Sort(unreadable)
	return unreadable, nil
}

func digestBytes(d federation.Digest) []byte { return d[:] }

func (d *Daemon) openEnvelope(member federation.Submitter, item *atriumpb.EnvelopeItem, submissions map[federation.HospitalID]federation.Submission) ([]uint16, error) {
	lie := func(what string, err error) error {
		if err != nil {
			return fmt.Errorf("submission of %s: %s: %w: %w", member.Hospital, what, ErrDishonest, err)
		}
		return fmt.Errorf("submission of %s: %s: %w", member.Hospital, what, ErrDishonest)
	}
	s, digest, err := envelope.DecodeMessage[federation.Submission](d.cfg.Charter, item.GetSigned())
	if err != nil || digest != member.Submission || s.Hospital != member.Hospital {
		return nil, lie("it is not the one in the candidate", err)
	}
	params, err := opening.Parameters(d.live.header.Ring)
	if err != nil {
		return nil, err
	}
	if err := federation.CheckSubmission(d.cfg.Charter, d.live.manifest, s, len(params.Segments(opening.SegmentTarget))); err != nil {
		return nil, lie("it does not hold", err)
	}
	if err := d.cfg.Plan.CheckBand(d.live.header.Kind, s); err != nil {
		return nil, lie("it does not hold", err)
	}
	submissions[s.Hospital] = s
	point, _ := d.cfg.Charter.Point(d.self)
	if federation.Sum(item.GetEnvelope()) != s.Envelopes[point-1] {
		return nil, lie("the envelope is not the signed one", nil)
	}
	plain, err := d.live.key.Open(envelope.AssociatedData{Manifest: s.Manifest, UpdateRoot: s.UpdateRoot(), From: s.Hospital, To: d.self}, item.GetEnvelope())
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return shamir.Unmarshal(plain, params.N())
}

// holdShareSums checks C where that costs little, adds the shares of S and makes the sums
// durable for exactly this candidate.
func (d *Daemon) holdShareSums(ctx context.Context, candidate federation.Candidate) error {
	if err := d.addUp(ctx, candidate); err != nil {
		return err
	}
	sums, err := d.shareSums(ctx, candidate)
	if err != nil {
		return err
	}
	if err := d.persist(participant.BeReady(d.state, d.live.manifest, candidate, d.live.candidate, sums)); err != nil {
		return err
	}
	d.live.candidate = &candidate
	return nil
}

// shareSums adds the opened shares of each group and stores the sums.
func (d *Daemon) shareSums(ctx context.Context, candidate federation.Candidate) ([]federation.Digest, error) {
	var digests []federation.Digest
	for _, group := range candidate.Groups {
		if len(group) == 0 {
			digests = append(digests, federation.Digest{})
			continue
		}
		var sum []uint16
		for _, member := range group {
			share, ok := d.live.shares[member] // by hospital too: one submission is summed once, as its own
			if !ok {
				return nil, fmt.Errorf("candidate names submission %s of %s, which was not opened here: %w",
					member.Submission.Short(), member.Hospital, ErrDishonest)
			}
			if sum == nil {
				sum = make([]uint16, len(share))
			}
			if err := shamir.AddTo(sum, share); err != nil {
				return nil, err
			}
		}
		plain := shamir.Marshal(sum)
		digest, err := storage.PutBlob(ctx, d.store, plain)
		clear(plain)
		clear(sum)
		if err != nil {
			return nil, fatal{err}
		}
		digests = append(digests, digest)
	}
	return digests, nil
}

// send gives this custodian's share sums for a candidate that stands, once. What was sent
// before is sent again, byte for byte, also after a restart.
func (d *Daemon) send(ctx context.Context, w *atriumpb.Work) error {
	manifest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return err
	}
	if candidate.Manifest != manifest {
		return fmt.Errorf("candidate %s of manifest %s, not %s: %w", candidate.Digest().Short(), candidate.Manifest.Short(), manifest.Short(), ErrDishonest)
	}
	if err := participant.MaySend(d.state, manifest, candidate.Digest()); err != nil {
		return err
	}
	if m, _ := d.state.Recall(manifest); m.HasSent() {
		return d.sendShares(ctx, m.Sent)
	}
	if err := d.judgeGroups(candidate); err != nil {
		return err
	}
	head, err := d.checkStands(ctx, w, candidate)
	if err != nil {
		return err
	}
	digest, err := d.keepSend(ctx, w, candidate, head)
	if err != nil {
		return err
	}
	if err := d.persist(participant.SendFor(d.state, manifest, candidate.Digest(), digest)); err != nil {
		return err
	}
	d.eraseKey()
	return d.sendShares(ctx, digest)
}

// checkStands verifies that t custodians are ready for exactly this candidate and that the
// entry with which they were is in the log; and of a C that is too large to be added here,
// that everyone summed vouched for it.
func (d *Daemon) checkStands(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate) (federation.TreeHead, error) {
	e, head, err := d.checkEntry(w)
	if err != nil {
		return head, err
	}
	named := false
	m, _ := d.state.Recall(candidate.Manifest)
	ready := map[federation.HospitalID]bool{}
	for _, signed := range w.GetReadies() {
		r, digest, err := envelope.DecodeMessage[federation.Ready](d.cfg.Charter, signed)
		if err != nil {
			return head, err
		}
		if _, ok := d.cfg.Charter.Point(r.Custodian); !ok || r.Candidate != candidate.Digest() || r.Manifest != candidate.Manifest ||
			len(r.Unreadable) > 0 || r.Asks != asks(m, candidate) {
			return head, fmt.Errorf("ready of %s is of candidate %s: %w", r.Custodian, r.Candidate.Short(), ErrDishonest)
		}
		ready[r.Custodian] = true
		named = named || digest == e.Blob
	}
	for _, signed := range w.GetVouches() {
		named = named || federation.Sum(signed) == e.Blob
	}
	named = named && (e.Kind == round.Ready || e.Kind == round.Vouched) || e.Kind == round.Fetch && e.Blob == candidate.Digest()
	named = named && e.Round == w.GetRound()
	if len(ready) < d.cfg.Charter.Threshold || !named {
		return head, fmt.Errorf("%d of %d custodians are ready for candidate %s, by entry %d: %w",
			len(ready), d.cfg.Charter.Threshold, candidate.Digest().Short(), w.GetEntryIndex(), ErrDishonest)
	}
	return head, d.checkVouches(ctx, w, candidate)
}

// keepSend signs and stores what is sent.
func (d *Daemon) keepSend(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate, head federation.TreeHead) (federation.Digest, error) {
	line, err := roundlog.Cosign(w.GetCheckpoint(), string(d.self), d.cfg.Identity, time.Now())
	if err != nil {
		return federation.Digest{}, err
	}
	m, _ := d.state.Recall(candidate.Manifest)
	held, _ := m.Ready(candidate.Digest())
	s := federation.Send{V: 1, Manifest: candidate.Manifest, Candidate: candidate.Digest(), Custodian: d.self,
		ShareSums: held.ShareSums, Checkpoint: head, Cosignature: string(line)}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, s)
	digest, err := storage.PutBlob(ctx, d.store, federation.Encode(signed))
	if err != nil {
		return federation.Digest{}, fatal{err}
	}
	proof, err := proofOf(w, signed)
	if err == nil {
		err = keepProof(d.cfg.State, m.Round, candidate.Manifest, candidate.Digest(), proof)
	}
	if err != nil {
		return federation.Digest{}, fatal{err}
	}
	return digest, nil
}

// proofOf is what a closing statement would show of a Send: the readies that came with the task.
func proofOf(w *atriumpb.Work, send federation.Signed) (federation.Proof, error) {
	p := federation.Proof{Send: &send}
	for _, raw := range w.GetReadies() {
		signed, err := federation.DecodeSigned(raw)
		if err != nil {
			return p, err
		}
		p.Readies = append(p.Readies, signed)
	}
	slices.SortFunc(p.Readies, func(a, b federation.Signed) int { return strings.Compare(string(a.Signer), string(b.Signer)) })
	return p, nil
}

func (d *Daemon) sendShares(ctx context.Context, digest federation.Digest) error {
	blob, err := storage.GetBlob(ctx, d.store, digest, federation.MaxMessageBytes)
	if err != nil {
		return err
	}
	s, _, err := envelope.DecodeMessage[federation.Send](d.cfg.Charter, blob)
	if err != nil {
		return err
	}
	req := &atriumpb.SharesRequest{Federation: d.link.federation, Signed: blob}
	for _, digest := range s.ShareSums {
		var sum []byte
		if !digest.IsZero() {
			if sum, err = storage.GetBlob(ctx, d.store, digest, envelope.MaxPlaintext); err != nil {
				return err
			}
		}
		req.ShareSums = append(req.ShareSums, sum)
	}
	_, err = d.link.api.SendShares(ctx, req)
	return err
}

func (d *Daemon) deleteBlobs(ctx context.Context, digests []federation.Digest) error {
	for _, digest := range digests {
		if digest.IsZero() {
			continue
		}
		if err := d.store.Delete(ctx, storage.Blob(digest)); err != nil {
			return fatal{err}
		}
	}
	return nil
}
