package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

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
	vector, err := d.compute(ctx, d.live.header)
	if err != nil {
		return err
	}
	submission, err := d.seal(ctx, vector)
	if err != nil {
		return err
	}
	if err := d.persist(participant.Submit(d.state, digest, submission)); err != nil {
		return err
	}
	d.rounds++
	return d.upload(ctx, d.live.manifest.Header, submission)
}

// seal quantises, encrypts and shares: it stores the ciphertext, the envelopes and the
// signed submission, and returns the digest of the last. The one-time key lives and
// dies in here.
func (d *Daemon) seal(ctx context.Context, vector []float64) (federation.Digest, error) {
	h, m := d.live.header, d.live.manifest
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return federation.Digest{}, err
	}
	fields := make([]uint32, h.Format.Count())
	rounding, err := d.rounding(h)
	if err != nil {
		return federation.Digest{}, err
	}
	if _, err := h.Format.Quantise(fields, vector, rounding); err != nil {
		return federation.Digest{}, err
	}
	key, err := params.NewKey(rand.Reader)
	if err != nil {
		return federation.Digest{}, err
	}
	defer key.Erase()
	group, _ := m.Cohort(d.self)
	s := federation.Submission{V: 1, Manifest: m.Digest, Hospital: d.self, Group: group}
	for _, segment := range params.Segments(opening.SegmentTarget) {
		from, to := params.Fields(segment.First, segment.Last)
		wire, err := params.EncryptBlocks(nil, segment.First, segment.Last, federation.PublicSeed(m.Digest, group), key, fields[from:to], rand.Reader)
		if err != nil {
			return federation.Digest{}, err
		}
		digest, err := storage.PutBlob(ctx, d.store, wire)
		if err != nil {
			return federation.Digest{}, fatal{err}
		}
		s.Segments = append(s.Segments, digest)
	}
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

// sealShares shares the one-time key and seals each custodian's share to its one-round key.
func (d *Daemon) sealShares(key *he.OneTimeKey, m federation.VerifiedManifest, root federation.Digest) ([][]byte, error) {
	c := d.cfg.Charter
	shares, err := shamir.Share(key.Coefficients(), c.Threshold, len(c.Custodians), rand.Reader)
	if err != nil {
		return nil, err
	}
	envelopes := make([][]byte, len(c.Custodians))
	for i, id := range c.Custodians {
		if public := m.Custodian(id); public != nil {
			envelopes[i], err = envelope.Seal(public, envelope.AssociatedData{Manifest: m.Digest, UpdateRoot: root, From: d.self, To: id},
				shamir.Marshal(shares[i]))
			if err != nil {
				return nil, fmt.Errorf("seal share for %s: %w", id, err)
			}
		}
		clear(shares[i])
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
	if err := storage.PutOnce(ctx, d.store, name, federation.Encode(envelopes)); err != nil {
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
	for index, digest := range s.Segments {
		if slices.Contains(held.GetIndexes(), int32(index)) {
			continue
		}
		data, err := storage.GetBlob(ctx, d.store, digest, federation.MaxSegmentBytes)
		if err != nil {
			return err
		}
		if err := d.link.putSegment(ctx, header, root, digest, index, data); err != nil {
			return err
		}
	}
	name, err := storage.Envelopes(s.Manifest, string(d.self))
	if err != nil {
		return err
	}
	raw, err := d.store.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	envelopes, err := federation.Decode[[][]byte](raw, len(raw))
	if err != nil {
		return err
	}
	_, err = d.link.api.Submit(ctx, &atriumpb.SubmitRequest{Federation: d.link.federation, Signed: blob, Envelopes: envelopes})
	return err
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
	b := []byte("atrium/demonstration/v1\n" + purpose + "\n" + d.cfg.Name + "\n")
	b = binary.BigEndian.AppendUint64(b, *d.cfg.RoundingSeed)
	return sha256.Sum256(append(b, federation.Encode(h.Questions)...)), nil
}
