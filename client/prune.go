package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// prune deletes what is kept of rounds on other questions than the one that opens. What was
// sent is small and stay longer: a question that comes back may ask for one that never
// arrived. The journal keeps what must be remembered. Where rounds are short it does so
// once in a while: to look through the store takes longer than to write into it.
func (d *Daemon) prune(ctx context.Context, questions []string) error {
	if time.Since(d.pruned) < pruneEvery {
		return nil
	}
	d.pruned = time.Now()
	keep := map[string]bool{}
	for i, m := range d.state.Memory {
		submission, answer := m.Submission, m.Sent
		for _, held := range m.Readies {
			for _, digest := range held.ShareSums {
				keep[storage.Blob(digest)] = true
			}
		}
		if !slices.ContainsFunc(m.Questions, func(q string) bool { return slices.Contains(questions, q) }) {
			submission = federation.Digest{}
			if len(d.state.Memory)-i > keptSends {
				answer = federation.Digest{}
			}
		}
		if err := d.keepNames(ctx, submission, answer, keep); err != nil {
			return err
		}
	}
	for _, b := range d.state.Bases {
		keep[storage.ModelSegment(b.Snapshot)] = true
	}
	objects, err := d.store.List(ctx, "")
	if err != nil {
		return fatal{err}
	}
	for _, o := range objects {
		if keep[o.Name] || strings.HasPrefix(o.Name, keptFolder) || strings.HasPrefix(o.Name, integersFolder) {
			continue
		}
		if err := d.store.Delete(ctx, o.Name); err != nil {
			return fatal{err}
		}
	}
	return nil
}

// keepNames adds the objects that a submission and an answer consist of. What an
// earlier prune deleted, because another question had come between, is passed over.
func (d *Daemon) keepNames(ctx context.Context, submission, answer federation.Digest, keep map[string]bool) error {
	if !submission.IsZero() {
		s, err := stored[federation.Submission](ctx, d, submission)
		if errors.Is(err, storage.ErrNotFound) {
			return d.keepNames(ctx, federation.Digest{}, answer, keep)
		}
		if err != nil {
			return err
		}
		name, err := storage.Envelopes(s.Manifest, string(d.self))
		if err != nil {
			return err
		}
		keep[name], keep[storage.Blob(submission)] = true, true
		for _, digest := range s.Segments {
			keep[storage.Blob(digest)] = true
		}
	}
	if !answer.IsZero() {
		a, err := stored[federation.Send](ctx, d, answer)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		keep[storage.Blob(answer)] = true
		for _, digest := range a.ShareSums {
			keep[storage.Blob(digest)] = true
		}
	}
	return nil
}

func stored[T envelope.Message](ctx context.Context, d *Daemon, digest federation.Digest) (T, error) {
	blob, err := storage.GetBlob(ctx, d.store, digest, federation.MaxMessageBytes)
	if err != nil {
		var zero T
		return zero, err
	}
	m, _, err := envelope.DecodeMessage[T](d.cfg.Charter, blob)
	return m, err
}
