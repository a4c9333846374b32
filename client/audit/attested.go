package audit

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage"
)

// overlay is a Bucket in which some objects are other than in the one below.
type overlay struct {
	storage.Bucket
	objects map[string][]byte
}

// Get implements storage.Bucket for the calls of storage.GetAtMost, from offset 0.
func (o overlay) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, ok := o.objects[name]
	if !ok {
		return o.Bucket.Get(ctx, name, offset, length)
	}
	if offset < 0 || offset > int64(len(data)) {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrRange)
	}
	data = data[offset:]
	if length >= 0 && length < int64(len(data)) {
		data = data[:length]
	}
	return append([]byte(nil), data...), nil
}

// addUp adds the ciphertexts of a candidate and compares C with what comes out. Where
// ciphertexts are gone, C is by the word of custodians and submitters alone.
func (r *replayer) addUp(ctx context.Context, s step, of opening.Round) (Status, error) {
	for g, members := range of.Candidate.Groups {
		if len(members) == 0 {
			continue
		}
		sum, err := opening.Add(ctx, r.bucket, of, g, opening.Beside{})
		if errors.Is(err, storage.ErrNotFound) {
			return SumAttested, nil
		}
		if err != nil {
			return "", r.notOpened(s, err)
		}
		if sum != of.Candidate.Sums[g] {
			return "", differs(storage.Blob(s.before.Round.Candidate), sumName(g, s.entry.Round), "the ciphertexts add up to %s, not %s", sum.Short(), of.Candidate.Sums[g].Short())
		}
	}
	return Rederived, nil
}

// openSum opens the sum from C as it is stored; where that is gone, from what the ciphertexts
// add up to.
func (r *replayer) openSum(ctx context.Context, b storage.Bucket, record opening.Record) (opening.Sum, error) {
	sum, err := opening.Open(ctx, b, record.Round, record.Sends)
	if !errors.Is(err, storage.ErrNotFound) {
		return sum, err
	}
	made := map[string][]byte{}
	keep := func(_ context.Context, digest federation.Digest, blob []byte) error {
		made[storage.Blob(digest)] = append([]byte(nil), blob...)
		return nil
	}
	for g, members := range record.Round.Candidate.Groups {
		if len(members) == 0 {
			continue
		}
		if _, err := opening.Add(ctx, r.bucket, record.Round, g, opening.Beside{Keep: keep}); err != nil {
			return opening.Sum{}, err
		}
	}
	return opening.Open(ctx, overlay{b, made}, record.Round, record.Sends)
}

// checkSums checks that C is there, segment by segment.
func (c *checker) checkSums(ctx context.Context, s step, list federation.Candidate) error {
	for g, digest := range list.Sums {
		if digest.IsZero() {
			continue
		}
		if err := c.checkSum(ctx, digest, sumName(g, s.entry.Round)); err != nil {
			return err
		}
	}
	return nil
}

// Replay makes C anew where it is gone; whether it had to be there is for Verify to say.
func (c *checker) checkSum(ctx context.Context, digest federation.Digest, what string) error {
	object := storage.Blob(digest)
	raw, err := c.blob(ctx, digest, opening.MaxListBytes, what)
	if errors.Is(err, storage.ErrNotFound) && !c.deep {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := opening.DecodeList(raw)
	if err != nil {
		return wrong(object, what, err)
	}
	if len(list.Segments) != len(c.now.sizes) {
		return contrary(object, what, "%d segments, not %d", len(list.Segments), len(c.now.sizes))
	}
	if !c.deep {
		return nil
	}
	for i, digest := range list.Segments {
		what := fmt.Sprintf("segment %d of the %s", i, what)
		raw, err := c.blob(ctx, digest, int64(c.now.sizes[i]), what)
		if err != nil {
			return err
		}
		if len(raw) != c.now.sizes[i] {
			return contrary(storage.Blob(digest), what, "%d bytes, not %d", len(raw), c.now.sizes[i])
		}
	}
	return nil
}

func sumName(group int, round uint64) string {
	return fmt.Sprintf("ciphertext sum of group %d in round %d", group, round)
}
