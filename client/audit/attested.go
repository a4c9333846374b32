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
// the coordinator left: what it says the sum was, opened and checked as ever. It is the
// same code on another round: in each group one member has the sum as its ciphertext
// and every other an encryption of nothing, all zero, so that they add up to the sum.
func (r *replayer) openSums(ctx context.Context, s step, record opening.Record) (opening.Sum, error) {
	raw, err := r.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return opening.Sum{}, err
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return opening.Sum{}, s.wrong(err)
	}
	attested := record.Round
	attested.Submissions = map[federation.HospitalID]federation.Submission{}
	bucket := overlay{r.bucket, map[string][]byte{}}
	for g, members := range attested.Submitters.Groups {
		if len(members) == 0 {
			continue
		}
		what := fmt.Sprintf("ciphertext sum of group %d in round %d", g, s.entry.Round)
		sum, err := r.blob(ctx, result.Groups[g].Ciphertext, storage.MaxObjectBytes, what)
		if err != nil {
			return opening.Sum{}, err
		}
		size := 0
		for _, n := range r.now.sizes {
			size += n
		}
		if len(sum) != size {
			return opening.Sum{}, contrary(storage.Blob(result.Groups[g].Ciphertext), what, "%d bytes, not %d", len(sum), size)
		}
		nothing := make([]byte, len(sum))
		nothing[0] = sum[0] // the version byte
		for i, m := range members {
			ciphertext := nothing
			if i == 0 {
				ciphertext = sum
			}
			attested.Submissions[m.Hospital], err = r.pretend(bucket, record.Round.Submissions[m.Hospital], ciphertext)
			if err != nil {
				return opening.Sum{}, err
			}
		}
	}
	return opening.Open(ctx, bucket, attested, record.Answers)
}

// pretend puts a ciphertext into the bucket as that of a submission.
func (r *replayer) pretend(bucket overlay, s federation.Submission, ciphertext []byte) (federation.Submission, error) {
	var segments [][]byte
	s.Segments = nil
	for _, size := range r.now.sizes {
		segments = append(segments, ciphertext[:size])
		s.Segments = append(s.Segments, federation.Sum(ciphertext[:size]))
		ciphertext = ciphertext[size:]
	}
	for i, data := range segments {
		name, err := storage.UpdateSegment(r.now.digest, string(s.Hospital), s.UpdateRoot(), i)
		if err != nil {
			return s, err
		}
		bucket.objects[name] = data
	}
	return s, nil
}
