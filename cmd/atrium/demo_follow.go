package main

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// follower reads a log that grows, batch by batch, with no key: the demonstration
// learns how it goes from the same objects as an auditor.
type follower struct {
	bucket  storage.Bucket
	charter federation.Charter
	next    int64 // batch
	within  int   // entries of it that were applied, when an object could not be read
	state   round.State

	evaluations []evaluationAt
	abandoned   int
	lastReason  string
	each        func(round.Entry) error // sees every entry; may be nil
}

// evaluationAt is the encrypted evaluation after a number of train rounds.
type evaluationAt struct {
	Trained int
	opening.Evaluation
}

func newFollower(bucket storage.Bucket, charter federation.Charter) *follower {
	return &follower{bucket: bucket, charter: charter, state: round.State{Charter: charter}}
}

// advance reads what was committed since; it reports whether there was anything.
func (f *follower) advance(ctx context.Context) (bool, error) {
	moved := false
	for {
		data, err := storage.GetAtMost(ctx, f.bucket, storage.Batch(f.next), roundlog.MaxBatchBytes)
		if errors.Is(err, storage.ErrNotFound) {
			return moved, nil
		}
		if err != nil {
			return moved, err
		}
		batch, err := roundlog.VerifyBatch(data, f.charter.LogKey)
		if err != nil {
			return moved, fmt.Errorf("%s: %w", storage.Batch(f.next), err)
		}
		for _, raw := range batch.Entries[f.within:] {
			if err := f.apply(ctx, raw); err != nil {
				return moved, fmt.Errorf("%s: %w", storage.Batch(f.next), err)
			}
			f.within++
		}
		f.next, f.within = f.next+1, 0
		moved = true
	}
}

// apply does nothing when it returns an error, unless that is of each.
func (f *follower) apply(ctx context.Context, raw []byte) error {
	e, err := round.DecodeEntry(raw)
	if err != nil {
		return err
	}
	next, err := round.Apply(f.state, e)
	if err != nil {
		return err
	}
	if e.Kind == round.Publish && next.Round.Kind == federation.Evaluate && next.Round.Part.Whole() {
		evaluation, err := readEvaluation(ctx, f.bucket, e.Blob)
		if err != nil {
			return err
		}
		f.evaluations = append(f.evaluations, evaluationAt{next.Trained, evaluation})
	}
	f.state = next
	if e.Kind == round.Abandon {
		f.abandoned, f.lastReason = f.abandoned+1, fmt.Sprintf("round %d was abandoned: %s", e.Round, e.Reason)
	}
	if f.each != nil {
		return f.each(e)
	}
	return nil
}

func readEvaluation(ctx context.Context, b storage.Bucket, digest federation.Digest) (opening.Evaluation, error) {
	blob, err := storage.GetBlob(ctx, b, digest, federation.MaxManifestBytes)
	if err != nil {
		return opening.Evaluation{}, err
	}
	result, err := opening.DecodeResult(blob)
	if err != nil || result.Evaluation == nil {
		return opening.Evaluation{}, errors.Join(err, errors.New("result of an evaluate round has no evaluation"))
	}
	return *result.Evaluation, nil
}
