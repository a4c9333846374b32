package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// acknowledge opens the envelopes of a candidate and says which could not be read.
func (d *Daemon) acknowledge(ctx context.Context, w *atriumpb.Work) error {
	if err := d.ensureManifest(ctx, w); err != nil {
		return err
	}
	candidate, err := federation.DecodeSubmitters(w.GetSubmitters())
	if err != nil {
		return err
	}
	if err := participant.MayOpen(d.state, d.live.manifest, candidate); err != nil {
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
	a := federation.Acknowledgement{V: 1, Manifest: d.live.manifest.Digest, Candidate: federation.Sum(w.GetSubmitters()),
		Custodian: d.self, Unreadable: unreadable}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, a)
	return d.link.send(ctx, "acknowledgement", federation.Encode(signed))
}

// judgeGroups asks the hospital's policy about every group that is summed.
func (d *Daemon) judgeGroups(s federation.Submitters) error {
	for _, group := range s.Set() {
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
func (d *Daemon) openEnvelopes(ctx context.Context, candidate federation.Submitters) ([]federation.HospitalID, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream on every way out
	defer cancel()
	stream, err := d.link.api.Envelopes(ctx, &atriumpb.EnvelopesRequest{Federation: d.link.federation, Candidate: digestBytes(candidate.Digest())})
	if err != nil {
		return nil, err
	}
	d.live.shares = nil // those of another candidate
	shares := map[federation.Submitter][]uint16{}
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
			share, err := d.openEnvelope(member, item)
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
	d.live.shares = shares
	slices.Sort(unreadable)
	return unreadable, nil
}

func digestBytes(d federation.Digest) []byte { return d[:] }

func (d *Daemon) openEnvelope(member federation.Submitter, item *atriumpb.EnvelopeItem) ([]uint16, error) {
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
	point, _ := d.cfg.Charter.Point(d.self)
	if federation.Sum(item.GetEnvelope()) != s.Envelopes[point-1] {
		return nil, lie("the envelope is not the signed one", nil)
	}
	plain, err := d.live.key.Open(envelope.AssociatedData{Manifest: s.Manifest, UpdateRoot: s.UpdateRoot(), From: s.Hospital, To: d.self}, item.GetEnvelope())
	if err != nil {
		return nil, err
	}
	return shamir.Unmarshal(plain, params.N())
}

// answer gives this custodian's share sums over S, once. What was answered before is
// sent again, byte for byte.
func (d *Daemon) answer(ctx context.Context, w *atriumpb.Work) error {
	manifest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	if m, ok := d.state.Recall(manifest); ok && m.Answered() {
		if asked := federation.Sum(w.GetSubmitters()); asked != m.Submitters {
			return fmt.Errorf("answer for S %s: manifest %s: %w for S %s", asked.Short(), manifest.Short(), participant.ErrAnswered, m.Submitters.Short())
		}
		return d.sendAnswer(ctx, m.Answer)
	}
	if err := d.ensureManifest(ctx, w); err != nil {
		return err
	}
	s, err := federation.DecodeSubmitters(w.GetSubmitters())
	if err != nil {
		return err
	}
	head, err := d.checkSelection(w, s)
	if err != nil {
		return err
	}
	if err := participant.MayAnswer(d.state, d.live.manifest, s); err != nil {
		return err
	}
	if err := d.judgeGroups(s); err != nil {
		return err
	}
	if d.live.key == nil || d.live.shares == nil {
		return participant.ErrRestarted
	}
	digest, err := d.keepAnswer(ctx, w, s, head)
	if err != nil {
		return err
	}
	if err := d.persist(participant.AnswerWith(d.state, d.live.manifest, s, digest)); err != nil {
		return err
	}
	d.eraseKey()
	return d.sendAnswer(ctx, digest)
}

// checkSelection verifies that the log entry which names S is included in a checkpoint
// consistent with all that this hospital has seen.
func (d *Daemon) checkSelection(w *atriumpb.Work, s federation.Submitters) (federation.TreeHead, error) {
	c, err := d.see(w)
	if err != nil {
		return federation.TreeHead{}, err
	}
	if err := checkIncluded(w, c); err != nil {
		return federation.TreeHead{}, fmt.Errorf("entry that names S: %w", err)
	}
	e, err := round.DecodeEntry(w.GetEntry())
	if err != nil {
		return federation.TreeHead{}, err
	}
	if e.Kind != round.Select || e.Round != d.live.header.Round || e.Blob != s.Digest() {
		return federation.TreeHead{}, fmt.Errorf("entry %d does not name this S: %w", w.GetEntryIndex(), ErrDishonest)
	}
	return federation.TreeHead{Size: c.Size, Root: federation.Digest(c.Root)}, nil
}

// keepAnswer adds the shares of S, signs and stores the answer.
func (d *Daemon) keepAnswer(ctx context.Context, w *atriumpb.Work, s federation.Submitters, head federation.TreeHead) (federation.Digest, error) {
	a := federation.Answer{V: 1, Manifest: s.Manifest, Submitters: s.Digest(), Custodian: d.self, Checkpoint: head}
	line, err := roundlog.Cosign(w.GetCheckpoint(), string(d.self), d.cfg.Identity, time.Now())
	if err != nil {
		return federation.Digest{}, err
	}
	a.Cosignature = string(line)
	for _, group := range s.Groups {
		if len(group) == 0 {
			a.ShareSums = append(a.ShareSums, federation.Digest{})
			continue
		}
		var sum []uint16
		for _, member := range group {
			share, ok := d.live.shares[member] // by hospital too: one submission is summed once, as its own
			if !ok {
				return federation.Digest{}, fmt.Errorf("S names submission %s of %s, which was not opened here: %w",
					member.Submission.Short(), member.Hospital, ErrDishonest)
			}
			if sum == nil {
				sum = make([]uint16, len(share))
			}
			if err := shamir.AddTo(sum, share); err != nil {
				return federation.Digest{}, err
			}
		}
		digest, err := storage.PutBlob(ctx, d.store, shamir.Marshal(sum))
		if err != nil {
			return federation.Digest{}, fatal{err}
		}
		a.ShareSums = append(a.ShareSums, digest)
	}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, a)
	digest, err := storage.PutBlob(ctx, d.store, federation.Encode(signed))
	if err != nil {
		return federation.Digest{}, fatal{err}
	}
	return digest, nil
}

func (d *Daemon) sendAnswer(ctx context.Context, digest federation.Digest) error {
	blob, err := storage.GetBlob(ctx, d.store, digest, federation.MaxMessageBytes)
	if err != nil {
		return err
	}
	a, _, err := envelope.DecodeMessage[federation.Answer](d.cfg.Charter, blob)
	if err != nil {
		return err
	}
	req := &atriumpb.AnswerRequest{Federation: d.link.federation, Signed: blob}
	for _, s := range a.ShareSums {
		var sum []byte
		if !s.IsZero() {
			if sum, err = storage.GetBlob(ctx, d.store, s, envelope.MaxPlaintext); err != nil {
				return err
			}
		}
		req.ShareSums = append(req.ShareSums, sum)
	}
	_, err = d.link.api.SendAnswer(ctx, req)
	return err
}

// burn promises never to answer under an abandoned manifest; if it was answered, the
// answer is sent instead.
func (d *Daemon) burn(ctx context.Context, w *atriumpb.Work) error {
	manifest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	err = d.persist(participant.BurnManifest(d.state, w.GetRound(), manifest))
	if errors.Is(err, participant.ErrAnswered) {
		d.refused(w, err)
		m, _ := d.state.Recall(manifest)
		return d.sendAnswer(ctx, m.Answer)
	}
	if err != nil {
		return err
	}
	if d.state.Live.Manifest == manifest || d.live.manifest.Digest == manifest {
		d.eraseKey()
	}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, federation.Burn{V: 1, Manifest: manifest, Custodian: d.self})
	return d.link.send(ctx, "burn", federation.Encode(signed))
}
