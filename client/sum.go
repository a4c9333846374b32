package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"

	"google.golang.org/grpc"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// addUp fetches the ciphertexts of a candidate and adds them, where all of them together are
// below the bound of what custodians add themselves: C must be what comes out. Above it
// those who submitted vouch for it (checkVouches).
func (d *Daemon) addUp(ctx context.Context, candidate federation.Candidate) error {
	r := d.round(d.live.header, candidate)
	r.Submissions = d.live.submissions
	if bytes, err := r.Bytes(); err != nil || bytes > federation.AddBytes {
		return err
	}
	for g, group := range candidate.Groups {
		if len(group) == 0 {
			continue
		}
		sum, err := opening.Add(ctx, &updates{daemon: d, round: r, group: g}, r, g, opening.Beside{Keep: d.keepBlob})
		if err != nil {
			return fmt.Errorf("add group %d: %w", g, err)
		}
		if sum != candidate.Sums[g] {
			return otherSum(candidate, g, sum, fmt.Sprintf("the ciphertexts add up to %s, the candidate says %s", sum.Short(), candidate.Sums[g].Short()))
		}
	}
	return nil
}

func (d *Daemon) round(h federation.Header, c federation.Candidate) opening.Round {
	return opening.Round{Charter: d.cfg.Charter, Plan: d.cfg.Plan, Header: h, Manifest: c.Manifest, Candidate: c}
}

func (d *Daemon) keepBlob(ctx context.Context, digest federation.Digest, blob []byte) error {
	if err := storage.PutOnce(ctx, d.store, storage.Blob(digest), blob); err != nil {
		return fatal{err}
	}
	return nil
}

// updates is a Bucket that reads the segments of a candidate's updates from the coordinator;
// nothing else is asked of it.
type updates struct {
	storage.Bucket
	daemon *Daemon
	round  opening.Round
	group  int
}

// Get implements storage.Bucket for whole segments.
func (u *updates) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	for _, member := range u.round.Candidate.Groups[u.group] {
		s := u.round.Submissions[member.Hospital]
		for index, digest := range s.Segments {
			have, err := storage.UpdateSegment(u.round.Header.Digest(), string(member.Hospital), s.UpdateRoot(), index)
			if err != nil || have != name || offset != 0 {
				continue
			}
			return u.daemon.fetchCiphertext(ctx, u.round.Candidate.Digest(), member.Hospital, index, digest, length)
		}
	}
	return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
}

// fetchCiphertext downloads one segment of an update, verified against its signed digest.
func (d *Daemon) fetchCiphertext(ctx context.Context, candidate federation.Digest, id federation.HospitalID, index int, digest federation.Digest, limit int64) ([]byte, error) {
	from := d.link.openBy(ctx, digest, max(limit, 0), func(ctx context.Context, offset int64) (grpc.ServerStreamingClient[atriumpb.Chunk], error) {
		return d.link.api.Ciphertext(ctx, &atriumpb.CiphertextRequest{Federation: d.link.federation, Candidate: candidate[:],
			Hospital: string(id), Index: int32(index), Offset: offset})
	})
	defer from.Close()
	return from.all()
}

// remote is a Bucket whose blobs come from the store, and those that are not there as the
// coordinator sends them: they are kept nowhere. Who reads verifies them (storage.GetBlob), so
// that what is large is hashed once.
type remote struct {
	storage.Bucket
	link *link
}

// Get implements storage.Bucket for whole blobs.
func (r remote) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, err := r.Bucket.Get(ctx, name, offset, length)
	if !errors.Is(err, storage.ErrNotFound) || offset != 0 || length < 0 {
		return data, err
	}
	digest, err := federation.ParseDigest(path.Base(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	from := r.link.open(ctx, digest, length)
	defer from.Close()
	from.hash = nil
	data = make([]byte, length)
	n, err := io.ReadFull(from, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// fetchSum makes sure that C of every group is in the store, whose fingerprint is compared
// before it is opened.
func (d *Daemon) fetchSum(ctx context.Context, candidate federation.Candidate) error {
	for g, digest := range candidate.Sums {
		if len(candidate.Groups[g]) == 0 {
			continue
		}
		raw, err := d.fetchBlob(ctx, digest, opening.MaxListBytes)
		if err != nil {
			return err
		}
		list, err := opening.DecodeList(raw)
		if err != nil {
			return fmt.Errorf("group %d: %w: %w", g, opening.ErrSum, err)
		}
		for _, segment := range list.Segments {
			if _, err := d.fetchBlob(ctx, segment, federation.MaxSegmentBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchBlob returns a blob from the store, into which it is downloaded if it is not there.
func (d *Daemon) fetchBlob(ctx context.Context, digest federation.Digest, limit int) ([]byte, error) {
	raw, err := storage.GetBlob(ctx, d.store, digest, int64(limit))
	if !errors.Is(err, storage.ErrNotFound) {
		return raw, err
	}
	if raw, err = d.link.fetch(ctx, digest, limit); err != nil {
		return nil, err
	}
	return raw, d.keepBlob(ctx, digest, raw)
}

// forgetSum deletes C from the store.
func (d *Daemon) forgetSum(ctx context.Context, candidate federation.Candidate) error {
	for _, digest := range candidate.Sums {
		raw, err := storage.GetBlob(ctx, d.store, digest, opening.MaxListBytes)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		list, err := opening.DecodeList(raw)
		if err != nil {
			return err
		}
		if err := d.deleteBlobs(ctx, append(list.Segments, digest)); err != nil {
			return err
		}
	}
	return nil
}

// vouch signs the fingerprint of this hospital's own ciphertext, at points that follow from
// the checkpoint that ends with the candidate's entry.
func (d *Daemon) vouch(ctx context.Context, w *atriumpb.Work) error {
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return err
	}
	head, err := d.checkNamed(w, candidate.Digest())
	if err != nil {
		return err
	}
	m, _ := d.state.Recall(candidate.Manifest)
	s, err := stored[federation.Submission](ctx, d, m.Submission)
	if err != nil {
		return err
	}
	h, err := d.headerOf(ctx, w, candidate.Manifest)
	if err != nil {
		return err
	}
	fingerprint, err := d.fingerprint(h, head, s.Segments, d.held(ctx))
	if err != nil {
		return err
	}
	v := federation.Vouch{V: 1, Manifest: candidate.Manifest, Candidate: candidate.Digest(), Hospital: d.self, Checkpoint: head, Fingerprint: fingerprint}
	return d.link.send(ctx, "vouch", federation.Encode(envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, v)))
}

// headerOf returns the header of a manifest, which a task shows.
func (d *Daemon) headerOf(ctx context.Context, w *atriumpb.Work, manifest federation.Digest) (federation.Header, error) {
	if d.live.manifest.Digest == manifest {
		return d.live.header, nil
	}
	raw, err := d.link.fetch(ctx, manifest, federation.MaxManifestBytes)
	if err != nil {
		return federation.Header{}, err
	}
	m, err := federation.DecodeManifest(raw)
	if err != nil {
		return federation.Header{}, err
	}
	if m.Header != federation.Sum(w.GetHeader()) {
		return federation.Header{}, fmt.Errorf("manifest %s is not of this header: %w", manifest.Short(), ErrDishonest)
	}
	return federation.DecodeHeader(w.GetHeader())
}

// held gets segments that are in the store.
func (d *Daemon) held(ctx context.Context) func(int, federation.Digest, int64) ([]byte, error) {
	return func(_ int, digest federation.Digest, size int64) ([]byte, error) {
		return storage.GetBlob(ctx, d.store, digest, size)
	}
}

// fingerprint is that of a ciphertext, or of C; get returns a segment of it, at most size bytes
// that have its digest.
func (d *Daemon) fingerprint(h federation.Header, head federation.TreeHead, digests []federation.Digest, get func(i int, digest federation.Digest, size int64) ([]byte, error)) ([]byte, error) {
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return nil, err
	}
	segments := params.Segments(opening.SegmentTarget)
	if len(segments) != len(digests) {
		return nil, fmt.Errorf("%d segments, want %d: %w", len(digests), len(segments), opening.ErrSum)
	}
	f := params.NewFingerprint(vouchSeed(head))
	for i, s := range segments {
		wire, err := get(i, digests[i], int64(s.Bytes))
		if err != nil {
			return nil, err
		}
		if err := f.Add(s.First, s.Last, wire); err != nil {
			return nil, err
		}
	}
	return f.Bytes()
}

// vouchSeed fixes the points: SHA-256("atrium/vouch/v1" ‖ root of the checkpoint).
func vouchSeed(head federation.TreeHead) [32]byte {
	return sha256.Sum256(append([]byte("atrium/vouch/v1"), head.Root[:]...))
}

// checkVouches verifies, of a C that is too large to be added here, that the fingerprints of
// all who submitted add up to that of C. Of those who did not vouch it is computed here.
func (d *Daemon) checkVouches(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate) error {
	h, err := d.headerOf(ctx, w, candidate.Manifest)
	if err != nil {
		return err
	}
	bytes, err := d.round(h, candidate).Bytes()
	if err != nil || bytes <= federation.AddBytes {
		return err
	}
	vouches, head, err := d.readVouches(w, candidate)
	if err != nil {
		return err
	}
	if err := d.fetchUnvouched(ctx, h, candidate, head, vouches, bytes); err != nil {
		return err
	}
	if err := d.fetchSum(ctx, candidate); err != nil {
		return err
	}
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return err
	}
	for g, group := range candidate.Groups {
		if len(group) == 0 {
			continue
		}
		var own [][]byte
		for _, m := range group {
			own = append(own, vouches[m.Hospital])
		}
		sum, err := params.AddFingerprints(own)
		if err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		have, err := d.fingerprintOfSum(ctx, h, head, candidate.Sums[g])
		if err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		if string(have) != string(sum) {
			return otherSum(candidate, g, federation.Digest{}, "what its members vouch for does not add up to it")
		}
	}
	return nil
}

// readVouches verifies vouches of members of S, all at the same checkpoint.
func (d *Daemon) readVouches(w *atriumpb.Work, candidate federation.Candidate) (map[federation.HospitalID][]byte, federation.TreeHead, error) {
	vouches, head := map[federation.HospitalID][]byte{}, federation.TreeHead{}
	for _, signed := range w.GetVouches() {
		v, _, err := envelope.DecodeMessage[federation.Vouch](d.cfg.Charter, signed)
		if err != nil {
			return nil, head, err
		}
		if head.Size == 0 {
			head = v.Checkpoint
		}
		if v.Candidate != candidate.Digest() || v.Manifest != candidate.Manifest || v.Checkpoint != head {
			return nil, head, fmt.Errorf("vouch of %s is of candidate %s at size %d: %w", v.Hospital, v.Candidate.Short(), v.Checkpoint.Size, ErrDishonest)
		}
		vouches[v.Hospital] = v.Fingerprint
	}
	return vouches, head, nil
}

// fetchUnvouched fetches the ciphertexts of those who did not vouch and adds their fingerprints
// to the others: up to the bound, and where in some group so many vouched that one of them is
// honest, whose checkpoint says which the points are.
func (d *Daemon) fetchUnvouched(ctx context.Context, h federation.Header, c federation.Candidate, head federation.TreeHead, vouches map[federation.HospitalID][]byte, bytes int64) error {
	var missing []federation.Submitter
	members, most := 0, 0
	for _, group := range c.Groups {
		vouched := 0
		for _, m := range group {
			if vouches[m.Hospital] == nil {
				missing = append(missing, m)
			} else {
				vouched++
			}
		}
		members, most = members+len(group), max(most, vouched)
	}
	if len(missing) == 0 {
		return nil
	}
	if each := bytes / int64(members); each*int64(len(missing)) > federation.AddBytes || most <= d.cfg.Charter.MaxHostileMembers {
		return fmt.Errorf("%s and %d more did not vouch, %d did: %w", missing[0].Hospital, len(missing)-1, len(vouches), ErrDishonest)
	}
	for _, m := range missing {
		s, err := d.submissionOf(ctx, m)
		if err != nil {
			return err
		}
		vouches[m.Hospital], err = d.fingerprint(h, head, s.Segments, func(i int, digest federation.Digest, size int64) ([]byte, error) {
			return d.fetchCiphertext(ctx, c.Digest(), m.Hospital, i, digest, size)
		})
		if err != nil {
			return fmt.Errorf("ciphertext of %s: %w", m.Hospital, err)
		}
	}
	return nil
}

// fingerprintOfSum is that of C of a group, which is in the store.
func (d *Daemon) fingerprintOfSum(ctx context.Context, h federation.Header, head federation.TreeHead, list federation.Digest) ([]byte, error) {
	raw, err := storage.GetBlob(ctx, d.store, list, opening.MaxListBytes)
	if err != nil {
		return nil, err
	}
	segments, err := opening.DecodeList(raw)
	if err != nil {
		return nil, err
	}
	return d.fingerprint(h, head, segments.Segments, d.held(ctx))
}
