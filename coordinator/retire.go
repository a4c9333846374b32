package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
)

// Retirement is what Retire did.
type Retirement struct {
	Federation string `json:"federation"`
	Through    uint64 `json:"through"` // the last round that expired; 0 is none
	Entry      int64  `json:"entry"`   // that says so
	Rounds     int    `json:"rounds"`  // of which something was deleted
	Objects    int    `json:"objects"`
	Bytes      int64  `json:"bytes"`
	Kept       int    `json:"kept"` // ciphertext segments of rounds that did not expire
}

// ErrNotWhole: what must stay when the ciphertexts of a round go is not there.
var ErrNotWhole = errors.New("its sums are not whole, so its ciphertexts stay")

// retiring is what the log says about a round's ciphertexts.
type retiring struct {
	number    uint64
	candidate federation.Digest // that was opened; zero if the round published nothing
}

// Retire deletes the ciphertexts of the rounds that the log says expired, and nothing
// else. It needs no key, and of the store no more than to read it and to delete below
// rounds/. A run that was interrupted is repeated; what is gone is not missed. Before a
// round's ciphertexts go, the sums that vouch for them are looked for: [ErrNotWhole],
// after all other rounds are done. With dry set nothing is deleted, but counted. pinned is
// as for [Inspect].
func Retire(ctx context.Context, b storage.Bucket, pinned federation.Digest, dry bool, progress func(done, total int)) (Retirement, error) {
	rounds := map[federation.Digest]retiring{} // by header
	var out Retirement
	v, err := readLog(ctx, b, pinned, func(_ round.State, e round.Entry, after round.Memo) {
		header := after.State.Round.Header
		switch e.Kind {
		case round.Open:
			rounds[header] = retiring{number: e.Round}
		case round.Publish:
			rounds[header] = retiring{number: e.Round, candidate: after.State.Round.Candidate}
		case round.Expire:
			out.Entry = after.Size - 1
		}
	})
	if err != nil {
		return out, err
	}
	out.Federation, out.Through = v.State.Charter.Federation, v.State.Expired
	segments, err := b.List(ctx, storage.RoundsFolder)
	if err != nil {
		return out, err
	}
	return out, out.delete(ctx, b, rounds, segments, dry, progress)
}

// delete goes through all ciphertext segments, those of a round after one another.
func (r *Retirement) delete(ctx context.Context, b storage.Bucket, rounds map[federation.Digest]retiring, segments []storage.ObjectInfo, dry bool, progress func(done, total int)) error {
	var failed []error
	var now federation.Digest // header of the round that may go
	for i, s := range segments {
		header, err := headerOf(s.Name)
		if err != nil {
			return err
		}
		known, ok := rounds[header]
		if !ok || known.number > r.Through {
			r.Kept++
			continue
		}
		if header != now {
			now = header
			if err := checkSums(ctx, b, known); err != nil {
				failed = append(failed, err)
				delete(rounds, header) // its other segments stay too
				r.Kept++
				continue
			}
			r.Rounds++
		}
		if !dry {
			if err := b.Delete(ctx, s.Name); err != nil {
				return errors.Join(append(failed, err)...)
			}
		}
		r.Objects++
		r.Bytes += s.Size
		progress(i+1, len(segments))
	}
	return errors.Join(failed...)
}

// headerOf is the digest of the header in the name of a ciphertext segment.
func headerOf(name string) (federation.Digest, error) {
	digest, _, ok := strings.Cut(strings.TrimPrefix(name, storage.RoundsFolder), "/")
	d, err := federation.ParseDigest(digest)
	if !ok || err != nil {
		return d, fmt.Errorf("%s: %w: not a ciphertext segment", name, storage.ErrName)
	}
	return d, nil
}

// checkSums looks for the ciphertext sums of a round and for what names them.
func checkSums(ctx context.Context, b storage.Bucket, r retiring) error {
	if r.candidate.IsZero() {
		return nil
	}
	if err := findSums(ctx, b, r.candidate); err != nil {
		if ctx.Err() == nil && (errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrDigest)) {
			err = fmt.Errorf("%w: %w", ErrNotWhole, err)
		}
		return fmt.Errorf("round %d: %w", r.number, err)
	}
	return nil
}

func findSums(ctx context.Context, b storage.Bucket, digest federation.Digest) error {
	raw, err := storage.GetBlob(ctx, b, digest, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	candidate, err := federation.DecodeCandidate(raw)
	if err != nil {
		return err
	}
	for _, sum := range candidate.Sums {
		if sum.IsZero() {
			continue
		}
		if raw, err = storage.GetBlob(ctx, b, sum, opening.MaxListBytes); err != nil {
			return err
		}
		list, err := opening.DecodeList(raw)
		if err != nil {
			return err
		}
		for _, segment := range list.Segments {
			if _, err := b.Stat(ctx, storage.Blob(segment)); err != nil {
				return err
			}
		}
	}
	return nil
}
