package audit

import (
	"context"
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

// openSums opens a round whose ciphertexts were retired from the ciphertext sums that
// the coordinator left: what it says the sum was, opened and checked as ever.
func (r *replayer) openSums(ctx context.Context, s step, record opening.Record) (opening.Sum, error) {
	raw, err := r.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return opening.Sum{}, err
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return opening.Sum{}, s.wrong(err)
	}
	lists := make([]opening.List, len(result.Groups))
	for g, members := range record.Round.Candidate.Groups {
		if len(members) == 0 {
			continue
		}
		if lists[g], err = r.sumList(ctx, s, result.Groups[g]); err != nil {
			return opening.Sum{}, err
		}
	}
	return opening.OpenSums(ctx, r.bucket, record.Round, record.Answers, lists)
}

// sumList reads which objects a group's ciphertext sum consists of.
func (c *checker) sumList(ctx context.Context, s step, g opening.GroupResult) (opening.List, error) {
	object, what := storage.Blob(g.Ciphertext), sumName(s, g)
	raw, err := c.blob(ctx, g.Ciphertext, opening.MaxListBytes, what)
	if err != nil {
		return opening.List{}, err
	}
	list, err := opening.DecodeList(raw)
	if err != nil {
		return list, wrong(object, what, err)
	}
	if len(list.Segments) != len(c.now.sizes) {
		return list, contrary(object, what, "%d segments, not %d", len(list.Segments), len(c.now.sizes))
	}
	return list, nil
}

// checkSum checks that a group's ciphertext sum is there, segment by segment.
func (c *checker) checkSum(ctx context.Context, s step, g opening.GroupResult) error {
	list, err := c.sumList(ctx, s, g)
	if err != nil {
		return err
	}
	for i, digest := range list.Segments {
		what := fmt.Sprintf("segment %d of the %s", i, sumName(s, g))
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

func sumName(s step, g opening.GroupResult) string {
	return fmt.Sprintf("ciphertext sum of group %d in round %d", g.Group, s.entry.Round)
}
