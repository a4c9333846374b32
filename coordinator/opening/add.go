package opening

import (
	"context"

	"golang.org/x/sync/errgroup"

	"atrium/coordinator/federation"
	"atrium/storage"
)

// Beside is what Add works with besides the Bucket; both may be nil.
type Beside struct {
	// AtHand returns the bytes with that digest of an update's segment if the caller has
	// them in memory and has checked them, or nil.
	AtHand func(digest federation.Digest) []byte
	// Keep takes blobs that belong to the round, with their digests: each segment of the
	// group's ciphertext sum, and its List. It must not hold on to the bytes, and it runs
	// beside the adding.
	Keep func(ctx context.Context, digest federation.Digest, blob []byte) error
}

// Add adds what the submitters of a group of the round's candidate sent, one segment in
// memory at a time, and returns the digest of the List of the sum: what the candidate's Sums
// must say of the group.
func Add(ctx context.Context, b storage.Bucket, r Round, group int, beside Beside) (federation.Digest, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return federation.Digest{}, err
	}
	from := &ciphertexts{round: r, bucket: b, params: params, atHand: beside.AtHand}
	list, marshal := List{V: 1}, []byte(nil)
	var keeping errgroup.Group
	for _, s := range segments(params) {
		sums, err := from.sum(ctx, group, s)
		if kept := keeping.Wait(); kept != nil { // the segment before uses the buffer
			return federation.Digest{}, kept
		}
		if err != nil {
			return federation.Digest{}, err
		}
		marshal = marshal[:0]
		for _, sum := range sums {
			marshal = sum.AppendTo(marshal)
		}
		digest := federation.Sum(marshal)
		list.Segments = append(list.Segments, digest)
		if beside.Keep != nil {
			keeping.Go(func() error { return beside.Keep(ctx, digest, marshal) })
		}
	}
	if err := keeping.Wait(); err != nil {
		return federation.Digest{}, err
	}
	blob := federation.Encode(list)
	digest := federation.Sum(blob)
	if beside.Keep != nil {
		return digest, beside.Keep(ctx, digest, blob)
	}
	return digest, nil
}
