package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"atrium/aggregation/fixedpoint"
	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
	"atrium/storage"
)

// update makes, fixes and sends this hospital's encrypted update of a round. What was
// fixed before is sent again, byte for byte.
func (d *Daemon) update(ctx context.Context, w *atriumpb.Work) error {
	digest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	if m, ok := d.state.Recall(digest); ok && !m.Submission.IsZero() {
		return d.upload(ctx, federation.Sum(w.GetHeader()), m.Submission)
	}
	if err := d.ensureManifest(ctx, w); err != nil {
		return err
	}
	if err := d.judge(d.live.header); err != nil {
		return err
	}
	if err := d.mayStart(w); err != nil {
		return err
	}
	if err := d.answerFrom(d.live.header); err != nil {
		return err
	}
	ints, err := d.keptIntegers(ctx, d.live.header)
	if err != nil {
		return err
	}
	values, err := d.contribution(ctx, ints)
	if err == nil && !ints.kept {
		err = checkOwn(d.cfg.Plan, d.live.header, d.train.Rows, values)
	}
	if err != nil {
		return err
	}
	submission, err := d.seal(ctx, values, ints)
	if err != nil {
		return err
	}
	if err := d.persist(participant.Submit(d.state, digest, submission)); err != nil {
		return err
	}
	d.letGo()
	return d.upload(ctx, d.live.manifest.Header, submission)
}

// contribution computes what this hospital contributes, unless integers of an earlier round on
// the question are kept: then its own state moves as that round left it.
func (d *Daemon) contribution(ctx context.Context, ints integers) (values contribution, err error) {
	if ints.kept {
		return values, d.keepAgain(ctx, ints.note.Round, d.live.header.Round)
	}
	if err := d.checkBase(ctx); err != nil {
		return values, err
	}
	h := d.live.header
	if err := d.makeRoom(ctx, questionFolder(h.Questions), 4*int64(h.Format.Count())); err != nil {
		return values, err
	}
	err = d.whileWanted(ctx, func(ctx context.Context) (err error) {
		values, err = d.compute(ctx, h)
		return err
	})
	if err != nil && ctx.Err() == nil && grpcStatus(err) == nil && !errors.Is(err, errMovedOn) {
		return values, fmt.Errorf("%w: %w", errNotComputed, err)
	}
	return values, err
}

// seal quantises, encrypts and shares: it stores the ciphertext, the envelopes and the
// signed submission, and returns the digest of the last. One segment at a time is in
// memory. The one-time key lives and dies in here.
func (d *Daemon) seal(ctx context.Context, values contribution, ints integers) (federation.Digest, error) {
	h, m := d.live.header, d.live.manifest
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return federation.Digest{}, err
	}
	if have := values.count(); have != h.Format.Count() && !ints.kept {
		return federation.Digest{}, fmt.Errorf("%d values, the header has %d: %w", have, h.Format.Count(), federation.ErrHeader)
	}
	rounding, err := d.rounding(h)
	if err != nil {
		return federation.Digest{}, err
	}
	params = params.Parallel(runtime.GOMAXPROCS(0))
	key, err := params.NewKey(rand.Reader)
	if err != nil {
		return federation.Digest{}, err
	}
	defer key.Erase()
	group, _ := m.Cohort(d.self)
	s := federation.Submission{V: 1, Manifest: m.Digest, Hospital: d.self, Group: group, Band: d.cfg.Plan.Band(h.Kind, d.train.Rows)}
	wire, fields := d.wire, d.fields
	d.wireDigest = federation.Digest{}
	for index, segment := range params.Segments(opening.SegmentTarget) {
		from, to := params.Fields(segment.First, segment.Last)
		if fields, err = ints.fields(ctx, fields, h.Format, values, index, from, to, rounding); err != nil {
			return federation.Digest{}, err
		}
		wire, err = params.EncryptBlocks(wire[:0], segment.First, segment.Last, federation.PublicSeed(m.Digest, group), key, fields, rand.Reader)
		if err != nil {
			return federation.Digest{}, err
		}
		digest, err := storage.PutBlob(ctx, d.store, wire)
		if err != nil {
			return federation.Digest{}, fatal{err}
		}
		s.Segments = append(s.Segments, digest)
		d.wireDigest = digest
	}
	if err := ints.finish(ctx); err != nil {
		return federation.Digest{}, err
	}
	clear(fields)
	d.wire, d.fields = wire, fields
	envelopes, err := d.sealShares(key, m, s.UpdateRoot())
	if err != nil {
		return federation.Digest{}, err
	}
	for _, e := range envelopes {
		var digest federation.Digest
		if len(e) > 0 {
			digest = federation.Sum(e)
		}
		s.Envelopes = append(s.Envelopes, digest)
	}
	return d.keepSubmission(ctx, s, envelopes)
}

// quantise returns fields [from, to) of a contribution, in dst if it is large enough.
func quantise(dst []uint32, f fixedpoint.Format, values contribution, from, to int, rounding *fixedpoint.Rounding) ([]uint32, error) {
	dst = slices.Grow(dst[:0], to-from)[:to-from]
	step := make([]float64, stepFields)
	defer clear(step)
	for at := from; at < to; at += len(step) {
		step = step[:min(stepFields, to-at)]
		values.read(step, at)
		part := f.Range(at, at+len(step))
		if _, err := part.Quantise(dst[at-from:at-from+len(step)], step, rounding); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// sealShares shares the one-time key and seals each custodian's share to its one-round key.
func (d *Daemon) sealShares(key *he.OneTimeKey, m federation.VerifiedManifest, root federation.Digest) ([][]byte, error) {
	c := d.cfg.Charter
	coefficients := key.Coefficients()
	defer clear(coefficients)
	shares, err := shamir.Share(coefficients, c.Threshold, len(c.Custodians), rand.Reader)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, share := range shares {
			clear(share)
		}
	}()
	envelopes := make([][]byte, len(c.Custodians))
	for i, id := range c.Custodians {
		public := m.Custodian(id)
		if public == nil {
			continue
		}
		plain := shamir.Marshal(shares[i])
		envelopes[i], err = envelope.Seal(public, envelope.AssociatedData{Manifest: m.Digest, UpdateRoot: root, From: d.self, To: id}, plain)
		clear(plain)
		if err != nil {
			return nil, fmt.Errorf("seal share for %s: %w", id, err)
		}
	}
	return envelopes, nil
}

func (d *Daemon) keepSubmission(ctx context.Context, s federation.Submission, envelopes [][]byte) (federation.Digest, error) {
	name, err := storage.Envelopes(s.Manifest, string(d.self))
	if err != nil {
		return federation.Digest{}, err
	}
	// An earlier attempt under this manifest that was never fixed may have left its own.
	if err := d.store.Delete(ctx, name); err != nil {
		return federation.Digest{}, fatal{err}
	}
	if err := storage.PutOnce(ctx, d.store, name, envelope.MarshalBundle(envelopes)); err != nil {
		return federation.Digest{}, fatal{err}
	}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, s)
	digest, err := storage.PutBlob(ctx, d.store, federation.Encode(signed))
	if err != nil {
		return federation.Digest{}, fatal{err}
	}
	return digest, nil
}

// upload sends a fixed submission; segments that the coordinator holds are not sent again.
func (d *Daemon) upload(ctx context.Context, header, submission federation.Digest) error {
	blob, err := storage.GetBlob(ctx, d.store, submission, federation.MaxMessageBytes)
	if err != nil {
		return err
	}
	s, _, err := envelope.DecodeMessage[federation.Submission](d.cfg.Charter, blob)
	if err != nil {
		return err
	}
	root := s.UpdateRoot()
	held, err := d.link.api.Held(ctx, &atriumpb.HeldRequest{Federation: d.link.federation, Header: header[:], UpdateRoot: root[:]})
	if err != nil {
		return err
	}
	began, before := time.Now(), d.link.sent.Load()
	err = d.whileWanted(ctx, func(ctx context.Context) error {
		for index, digest := range s.Segments {
			if slices.Contains(held.GetIndexes(), int32(index)) {
				continue
			}
			if err := d.uploadSegment(ctx, header, root, digest, index); err != nil {
				d.wire, d.wireDigest = nil, federation.Digest{} // the connection may still read it
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.pace.uploaded(d.link.sent.Load()-before, time.Since(began))
	name, err := storage.Envelopes(s.Manifest, string(d.self))
	if err != nil {
		return err
	}
	raw, err := d.store.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	envelopes, err := envelope.UnmarshalBundle(raw)
	if err != nil {
		return err
	}
	_, err = d.link.api.Submit(ctx, &atriumpb.SubmitRequest{Federation: d.link.federation, Signed: blob, Envelopes: envelopes})
	if err == nil {
		d.cfg.Logger.Debug("update acknowledged", "submission", submission.String())
	}
	return err
}

// uploadSegment sends a segment from the store, where it is read piece by piece, or from
// memory when it was sealed last. That it is still what was signed the coordinator finds
// out: it takes nothing else.
func (d *Daemon) uploadSegment(ctx context.Context, header, root, digest federation.Digest, index int) error {
	name := storage.Blob(digest)
	info, err := d.store.Stat(ctx, name)
	if err != nil {
		return err
	}
	first := &atriumpb.SegmentChunk{Header: header[:], UpdateRoot: root[:], Digest: digest[:], Index: int32(index), Size: info.Size}
	return d.link.putSegment(ctx, first, func(offset, length int64) ([]byte, error) {
		if digest == d.wireDigest {
			return d.wire[offset : offset+length], nil
		}
		return d.store.Get(ctx, name, offset, length)
	})
}

// rounding returns the stream of stochastic rounding: from crypto/rand, or repeatable
// where the configuration asks for it.
func (d *Daemon) rounding(h federation.Header) (*fixedpoint.Rounding, error) {
	seed, err := d.seed("rounding", h)
	return fixedpoint.NewRounding(seed), err
}

// seed draws 32 bytes for a purpose in a round, or derives them from the configured
// seed, the hospital's name and the question.
func (d *Daemon) seed(purpose string, h federation.Header) (seed [32]byte, err error) {
	if d.cfg.RoundingSeed == nil {
		_, err = rand.Read(seed[:])
		return seed, err
	}
	return repeatable(purpose, d.cfg.Name, *d.cfg.RoundingSeed, h.Questions), nil
}

// repeatable is the seed that follows from a configured one.
func repeatable(purpose, hospital string, seed uint64, questions []string) [32]byte {
	b := []byte("atrium/demonstration/v1\n" + purpose + "\n" + hospital + "\n")
	b = binary.BigEndian.AppendUint64(b, seed)
	return sha256.Sum256(append(b, federation.Encode(questions)...))
}
