package opening

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/storage"
)

// partBytes is about how much of a segment one goroutine works on at a time.
const partBytes = 1 << 20

// segment is a segment of a ciphertext, cut into parts that are added and opened side
// by side.
type segment struct {
	index int
	bytes int
	parts []part
}

// part is a run of whole blocks of a segment.
type part struct {
	first, last int // blocks
	begin, end  int // bytes within the segment
	from, to    int // fields of the vector
}

// segments cuts a ciphertext. The very first part is a single block, because whether a
// key sum is the right one shows in any.
func segments(params *he.Parameters) []segment {
	blocks := params.Segments(1) // one each
	var out []segment
	for i, s := range params.Segments(SegmentTarget) {
		cut := segment{index: i, bytes: s.Bytes}
		at := 0
		for first := s.First; first < s.Last; {
			p := part{first: first, last: first, begin: at}
			for p.last < s.Last && (p.last == first || first > 0 && at-p.begin < partBytes) {
				at += blocks[p.last].Bytes
				p.last++
			}
			p.end = at
			p.from, p.to = params.Fields(p.first, p.last)
			cut.parts = append(cut.parts, p)
			first = p.last
		}
		out = append(out, cut)
	}
	return out
}

// source gives ciphertext sums; each call returns the sums of the parts of one segment.
type source interface {
	sum(ctx context.Context, group int, s segment) ([]*he.Sum, error)
}

// ciphertexts is the source that adds what the submitters of a round sent: one segment
// of one hospital at a time, while the next one is read.
type ciphertexts struct {
	round   Round
	bucket  storage.Bucket
	params  *he.Parameters
	atHand  func(federation.Digest) []byte
	buffers [2][]byte // read into in turn
}

// read is a verified segment of a submitter, or why there is none.
type read struct {
	data []byte
	err  error
}

func (c *ciphertexts) sum(ctx context.Context, group int, s segment) ([]*he.Sum, error) {
	total := make([]*he.Sum, len(s.parts))
	for i, p := range s.parts {
		var err error
		if total[i], err = c.params.NewSegmentSum(p.first, p.last); err != nil {
			return nil, err
		}
	}
	members := c.round.Candidate.Groups[group]
	ahead := make(chan read)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(ahead)
		for turn := range members {
			data, err := c.read(ctx, group, turn, s)
			select {
			case ahead <- read{data, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for i := 0; i < len(members); i++ {
		next, ok := <-ahead
		if !ok {
			return nil, ctx.Err()
		}
		if next.err == nil {
			next.err = each(s.parts, func(j int, p part) error { return total[j].Add(next.data[p.begin:p.end]) })
			if next.err != nil {
				next.err = fmt.Errorf("segment %d of %s: %w", s.index, members[i].Hospital, next.err)
			}
		}
		if next.err != nil {
			stop()
			for range ahead { // the reader uses our buffers
			}
			return nil, next.err
		}
	}
	return total, nil
}

func (c *ciphertexts) read(ctx context.Context, group, turn int, s segment) ([]byte, error) {
	hospital := c.round.Candidate.Groups[group][turn].Hospital
	submission := c.round.Submissions[hospital]
	if c.atHand != nil {
		if data := c.atHand(submission.Segments[s.index]); len(data) == s.bytes {
			return data, nil
		}
	}
	name, err := storage.UpdateSegment(c.round.Header.Digest(), string(hospital), submission.UpdateRoot(), s.index)
	if err != nil {
		return nil, err
	}
	buffer := &c.buffers[turn%len(c.buffers)]
	if len(*buffer) < s.bytes {
		*buffer = make([]byte, s.bytes)
	}
	data, err := storage.GetVerifiedInto(ctx, c.bucket, name, submission.Segments[s.index], (*buffer)[:s.bytes])
	if err == nil && len(data) != s.bytes { // its digest is the signed one
		err = fmt.Errorf("segment %d of %s: %d bytes, want %d: %w", s.index, hospital, len(data), s.bytes, he.ErrWire)
	}
	return data, err
}

// sums is the source that reads the stored sums of a round, by group.
type sums struct {
	bucket storage.Bucket
	params *he.Parameters
	groups []List
}

func (c *sums) sum(ctx context.Context, group int, s segment) ([]*he.Sum, error) {
	data, err := storage.GetBlob(ctx, c.bucket, c.groups[group].Segments[s.index], int64(s.bytes))
	if err != nil {
		return nil, err
	}
	if len(data) != s.bytes {
		return nil, fmt.Errorf("sum of segment %d: %d bytes, want %d: %w", s.index, len(data), s.bytes, he.ErrWire)
	}
	total := make([]*he.Sum, len(s.parts))
	return total, each(s.parts, func(i int, p part) (err error) {
		total[i], err = c.params.UnmarshalSegmentSum(p.first, p.last, data[p.begin:p.end])
		return err
	})
}

// each works on all parts side by side and returns the error of the first in order that
// has one, so that the outcome does not depend on timing.
func each(parts []part, do func(i int, p part) error) error {
	errs := make([]error, len(parts))
	var g errgroup.Group
	g.SetLimit(maxWorkers)
	for i, p := range parts {
		g.Go(func() error {
			errs[i] = do(i, p)
			return nil
		})
	}
	_ = g.Wait() // nothing in it fails
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
