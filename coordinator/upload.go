package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// maxRoots is how many different updates of one hospital are stored in one round: the
// one it signs, and what interrupted attempts left behind.
const maxRoots = 3

// uploads remembers which segments were verified and stored in the round under way, so
// that a submission need not read them back. It is safe for concurrent use.
type uploads struct {
	mu     sync.Mutex
	header federation.Digest
	held   map[string]federation.Digest // by object name
	roots  map[federation.HospitalID][]federation.Digest
}

func (u *uploads) reset(header federation.Digest) {
	if u.header != header {
		u.header, u.held, u.roots = header, map[string]federation.Digest{}, map[federation.HospitalID][]federation.Digest{}
	}
}

// admit reports whether a hospital may store segments under one more root.
func (u *uploads) admit(header federation.Digest, id federation.HospitalID, root federation.Digest) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reset(header)
	if slices.Contains(u.roots[id], root) {
		return true
	}
	if len(u.roots[id]) >= maxRoots {
		return false
	}
	u.roots[id] = append(u.roots[id], root)
	return true
}

func (u *uploads) note(header federation.Digest, name string, digest federation.Digest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reset(header)
	u.held[name] = digest
}

func (u *uploads) has(name string, digest federation.Digest) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	have, ok := u.held[name]
	return ok && have == digest
}

// SegmentSize returns what the header implies for one segment; the server reads no more.
func (c *Coordinator) SegmentSize(from federation.HospitalID, header federation.Digest, index int) (int, error) {
	v := c.View()
	r := v.State.Round
	if header != r.Header || r.Phase != round.Collecting || !r.InCohort(from) {
		return 0, fmt.Errorf("segment of %s: round %d is %s: %w", from, r.Number, r.Phase, round.ErrWrongPhase)
	}
	h, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return 0, err
	}
	sizes, err := segmentSizes(h)
	if err != nil {
		return 0, err
	}
	if index < 0 || index >= len(sizes) {
		return 0, fmt.Errorf("segment %d of %s: %w: there are %d", index, from, ErrBounds, len(sizes))
	}
	return sizes[index], nil
}

// PutSegment stores one segment of an update whose size SegmentSize gave. If kept is true
// it holds on to data, which nobody may write to any more.
func (c *Coordinator) PutSegment(ctx context.Context, from federation.HospitalID, header, root federation.Digest, index int, digest federation.Digest, data []byte) (kept bool, err error) {
	if federation.Sum(data) != digest {
		return false, fmt.Errorf("segment %d of %s: %w", index, from, ErrContent)
	}
	h, err := c.checkSegment(from, header, index, data)
	if err != nil {
		return false, err
	}
	if !c.uploads.admit(header, from, root) {
		return false, fmt.Errorf("segment of %s: %w: more than %d updates in one round", from, ErrBounds, maxRoots)
	}
	name, err := storage.UpdateSegment(header, string(from), root, index)
	if err != nil {
		return false, err
	}
	if err := storage.PutOnce(ctx, c.cfg.Bucket, name, data); err != nil {
		return false, err
	}
	c.uploads.note(header, name, digest)
	return c.small(h) && c.atHand.put(header, digest, data), nil
}

// small reports whether all segments of a round have room in memory.
func (c *Coordinator) small(h federation.Header) bool {
	sizes, err := segmentSizes(h)
	total := 0
	for _, size := range sizes {
		total += size
	}
	return err == nil && total <= maxAtHand/len(c.cfg.Charter.Members)
}

// Held lists the segments of an update that are stored.
func (c *Coordinator) Held(ctx context.Context, from federation.HospitalID, header, root federation.Digest) ([]int, error) {
	h, err := federation.DecodeHeader(c.View().Header)
	if err != nil {
		return nil, err
	}
	sizes, err := segmentSizes(h)
	if err != nil {
		return nil, err
	}
	var held []int
	for index := range sizes {
		name, err := storage.UpdateSegment(header, string(from), root, index)
		if err != nil {
			return nil, err
		}
		if _, err := c.cfg.Bucket.Stat(ctx, name); err == nil {
			held = append(held, index)
		} else if !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
	}
	return held, nil
}

// SubmitUpdate takes a signed Submission with its envelopes. When it returns nil the
// update is acknowledged: it is in the log and every byte of it is held.
func (c *Coordinator) SubmitUpdate(ctx context.Context, from federation.HospitalID, blob []byte, envelopes [][]byte) error {
	s, digest, err := received[federation.Submission](ctx, c, from, blob)
	if err != nil {
		return err
	}
	v := c.View()
	if have, ok := v.State.Round.Update(from); ok && have != digest && s.Manifest == v.State.Round.Manifest {
		return fmt.Errorf("update of %s: submission %s, not %s: %w", from, digest.Short(), have.Short(), round.ErrConflict)
	}
	if s.Manifest != v.State.Round.Manifest || s.Manifest.IsZero() {
		return fmt.Errorf("update of %s: %w", from, round.ErrStale)
	}
	m, err := c.verifiedManifest(ctx, s.Manifest)
	if err != nil {
		return err
	}
	h, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return err
	}
	sizes, err := segmentSizes(h)
	if err != nil {
		return err
	}
	if err := federation.CheckSubmission(c.cfg.Charter, m, s, len(sizes)); err != nil {
		return err
	}
	if err := v.Plan.CheckBand(h.Kind, s); err != nil {
		return err
	}
	if err := c.holdsSegments(ctx, m.Header, s, sizes); err != nil {
		return err
	}
	if v.State.Round.Phase == round.Collecting { // later, it is discarded
		if err := c.keepEnvelopes(ctx, s, envelopes); err != nil {
			return err
		}
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.UpdateVerified{Submission: s, Blob: digest})
}

func (c *Coordinator) holdsSegments(ctx context.Context, header federation.Digest, s federation.Submission, sizes []int) error {
	for index, size := range sizes {
		name, err := storage.UpdateSegment(header, string(s.Hospital), s.UpdateRoot(), index)
		if err != nil {
			return err
		}
		if c.uploads.has(name, s.Segments[index]) {
			continue
		}
		_, err = storage.GetVerified(ctx, c.cfg.Bucket, name, s.Segments[index], int64(size))
		if err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrDigest) {
			return err // our own trouble
		}
		if err != nil {
			return fmt.Errorf("update of %s: segment %d: %w: %w", s.Hospital, index, ErrContent, err)
		}
		c.uploads.note(header, name, s.Segments[index])
	}
	return nil
}

func (c *Coordinator) keepEnvelopes(ctx context.Context, s federation.Submission, envelopes [][]byte) error {
	if len(envelopes) != len(s.Envelopes) {
		return fmt.Errorf("update of %s: %d envelopes for %d digests: %w", s.Hospital, len(envelopes), len(s.Envelopes), ErrContent)
	}
	for i, e := range envelopes {
		if len(e) > envelope.MaxSealed {
			return fmt.Errorf("update of %s: envelope %d: %w", s.Hospital, i, ErrBounds)
		}
		if s.Envelopes[i].IsZero() != (len(e) == 0) || (len(e) > 0 && federation.Sum(e) != s.Envelopes[i]) {
			return fmt.Errorf("update of %s: envelope %d: %w", s.Hospital, i, ErrContent)
		}
	}
	name, err := storage.Envelopes(s.Manifest, string(s.Hospital))
	if err != nil {
		return err
	}
	return storage.PutOnce(ctx, c.cfg.Bucket, name, envelope.MarshalBundle(envelopes))
}

// EnvelopesFor calls send with each submission of a candidate and the envelope in it
// for one custodian.
func (c *Coordinator) EnvelopesFor(ctx context.Context, id federation.HospitalID, candidate federation.Digest, send func(signed, envelope []byte) error) error {
	point, ok := c.cfg.Charter.Point(id)
	r := c.View().State.Round
	if !ok || r.Candidate != candidate || candidate.IsZero() {
		return fmt.Errorf("envelopes for %s: %w", id, round.ErrStale)
	}
	raw, err := storage.GetBlob(ctx, c.cfg.Bucket, candidate, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	list, err := federation.DecodeCandidate(raw)
	if err != nil {
		return err
	}
	for _, group := range list.Groups {
		for _, member := range group {
			if err := c.sendEnvelope(ctx, list.Manifest, member, point-1, send); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Coordinator) sendEnvelope(ctx context.Context, manifest federation.Digest, member federation.Submitter, index int, send func(signed, envelope []byte) error) error {
	signed, err := storage.GetBlob(ctx, c.cfg.Bucket, member.Submission, federation.MaxMessageBytes)
	if err != nil {
		return err
	}
	name, err := storage.Envelopes(manifest, string(member.Hospital))
	if err != nil {
		return err
	}
	sealed, err := envelope.FromBundle(func(offset, length int64) ([]byte, error) {
		return c.cfg.Bucket.Get(ctx, name, offset, length)
	}, index)
	if err != nil {
		return fmt.Errorf("envelopes of %s: %w", member.Hospital, err)
	}
	return send(signed, sealed)
}
