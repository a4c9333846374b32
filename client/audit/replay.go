package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/models"
)

// Replay re-derives what every round published from the log and the stored ciphertexts
// alone: it adds the ciphertexts of S, opens the sum with the share sums, applies the
// plan's rule to the version that it derived before, and compares bytes with what was
// published. Log and messages are checked as by Verify; tiles, the published checkpoint
// and cards are not needed and not looked at.
//
// The error is a *[Problem] for the first object that is wrong, which wraps [ErrDiffers]
// when it is intact but does not follow; then the report holds what came before. It is
// anything else when an object could not be read.
func Replay(ctx context.Context, b storage.Bucket, opts Options) (ReplayReport, error) {
	h, err := begin(ctx, b, opts)
	if err != nil {
		return ReplayReport{}, err
	}
	c := newChecker(h, false)
	r := replayer{checker: c}
	tree, err := h.walk(ctx, func(s step) error {
		if err := c.check(ctx, s); err != nil || s.entry.Kind != round.Publish {
			return err
		}
		return r.publish(ctx, s)
	})
	if err == nil {
		err = c.compareHeads(tree)
	}
	r.out.judge(h.memo.State.Expired)
	if err == nil {
		r.out.Log = h.log(tree)
	}
	return r.out, err
}

// replayer derives versions one after the other.
type replayer struct {
	*checker
	base []byte            // snapshot bytes of the version derived last, nil if it is missing
	of   federation.Digest // of base
	out  ReplayReport
}

// publish re-derives what a publish entry says. The Record is that of the moment: of
// what was sent, what the entry names.
func (r *replayer) publish(ctx context.Context, s step) error {
	v := Version{Entry: s.index, Number: s.entry.Version, Round: s.entry.Round, Kind: r.now.header.Kind, Snapshot: s.entry.Snapshot, Base: r.now.header.Version}
	state := s.before.Round
	state.Sends = slices.DeleteFunc(slices.Clone(state.Sends), func(h round.Held) bool {
		return !slices.Contains(s.entry.Hospitals, h.Hospital) && !slices.Contains(s.entry.Custodians, h.Hospital)
	})
	bucket, err := r.withBase(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		return r.missing(ctx, s, v)
	} else if err != nil {
		return err
	}
	record, err := opening.Load(ctx, bucket, r.charter, state)
	if err != nil {
		return fmt.Errorf("replay %s: %w", s.name(), err)
	}
	if v.Status, err = r.addUp(ctx, s, record.Round); err != nil {
		return err
	}
	sum, err := r.openSum(ctx, bucket, record)
	if errors.Is(err, storage.ErrNotFound) {
		return r.missing(ctx, s, v)
	}
	if err != nil {
		return r.notOpened(s, err)
	}
	outcome, err := opening.Conclude(record.Round, sum, record.Base)
	if err != nil {
		return differs(storage.Blob(s.entry.Blob), s.name(), "%v", err)
	}
	return r.compare(ctx, s, v, sum, outcome)
}

// withBase serves the derived base instead of the stored one. Where it could not be derived,
// or was earlier than the last, the stored one has to do: its digest is in the log.
func (r *replayer) withBase(ctx context.Context) (storage.Bucket, error) {
	base := r.now.header.Base
	if base.IsZero() {
		return r.bucket, nil
	}
	name := storage.ModelSegment(base)
	if r.base != nil && r.of == base {
		return overlay{r.bucket, map[string][]byte{name: r.base}}, nil
	}
	if _, err := storage.GetVerified(ctx, r.bucket, name, base, models.MaxSnapshotBytes); err != nil {
		if errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		return nil, unread(name, fmt.Sprintf("snapshot of version %d", r.now.header.Version), err)
	}
	return r.bucket, nil
}

// notOpened tells ciphertexts that are damaged from sums that do not open.
func (r *replayer) notOpened(s step, err error) error {
	if errors.Is(err, opening.ErrNotOpened) {
		return differs(storage.Blob(s.entry.Blob), s.name(), "%v", err)
	}
	object := objectOf(err)
	return unread(object, r.describe(object, s), err)
}

// describe says in words which ciphertext segment of the round an object is.
func (r *replayer) describe(object string, s step) string {
	for _, m := range r.charter.Members {
		prefix := fmt.Sprintf("%s%s/%s/", storage.RoundsFolder, r.now.digest, m.ID)
		var index int
		if len(object) > len(prefix)+65 && object[:len(prefix)] == prefix {
			if _, err := fmt.Sscanf(object[len(prefix)+65:], "%06d", &index); err == nil {
				return segmentName(index, m.ID, s.entry.Round)
			}
		}
	}
	return s.name()
}

// compare is the judgement: result, custodians and snapshot, byte for byte.
func (r *replayer) compare(ctx context.Context, s step, v Version, sum opening.Sum, outcome opening.Outcome) error {
	e := s.entry
	if got := federation.Sum(federation.Encode(outcome.Result)); got != e.Blob {
		return differs(storage.Blob(e.Blob), "result of "+s.name(), "the ciphertexts give %s", got.Short())
	}
	if !slices.Equal(sum.Used, e.Hospitals) || !slices.Equal(sum.Wrong, e.Custodians) {
		return differs(s.batch, s.name(), "share sums of %v hold and of %v do not", sum.Used, sum.Wrong)
	}
	v.Cohort = outcome.Result.Submitters
	if outcome.Snapshot == nil {
		r.out.evaluated(v, outcome.Result.Part, outcome.Result.Evaluation)
		return nil
	}
	derived := models.Encode(*outcome.Snapshot)
	object := storage.ModelSegment(e.Snapshot)
	if got := federation.Sum(derived); got != e.Snapshot {
		return differs(object, snapshotName(e), "the rule applied to the sum gives snapshot %s", got)
	}
	if got := models.ParametersDigest(*outcome.Snapshot); got != e.Parameters {
		return differs(s.batch, s.name(), "the parameters are %s, not %s", got, e.Parameters)
	}
	if !sameSketch(outcome.Sketch, e.Sketch) {
		return differs(s.batch, s.name(), "the sketch of its parameters is another")
	}
	stored, err := storage.GetAtMost(ctx, r.bucket, object, int64(len(derived)))
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case errors.Is(err, storage.ErrTooLarge) || (err == nil && !bytes.Equal(stored, derived)):
		return differs(object, snapshotName(e), "what is stored is something else")
	case err != nil:
		return fmt.Errorf("read %s: %w", object, err)
	default:
		v.Stored = true
	}
	r.base, r.of, r.newest = derived, e.Snapshot, newest{e.Snapshot, outcome.Snapshot.Metadata}
	r.out.Versions = append(r.out.Versions, v)
	return nil
}

func sameSketch(a, b *federation.Sketch) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// missing notes a round that can no longer be re-derived.
func (r *replayer) missing(ctx context.Context, s step, v Version) error {
	v.Status = Missing
	if v.Number == 0 {
		r.out.evaluated(v, r.now.header.Part, nil)
		return nil
	}
	r.base = nil
	_, err := r.object(ctx, storage.ModelSegment(v.Snapshot), v.Snapshot, models.MaxSnapshotBytes, snapshotName(s.entry))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	v.Stored = err == nil
	r.out.Versions = append(r.out.Versions, v)
	return nil
}

func differs(object, what, format string, args ...any) error {
	return wrong(object, what, fmt.Errorf("%w: %s", ErrDiffers, fmt.Sprintf(format, args...)))
}
