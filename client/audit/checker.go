package audit

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// checker checks the objects that each entry names against the entry, the state and
// the objects before. With deep set it also reads what only Verify answers for: the
// ciphertexts, the group sums, snapshots and cards.
type checker struct {
	*history
	deep   bool
	report Report

	plan   federation.Plan
	now    current
	heads  []head
	gone   []gone // ciphertext segments that are not there
	card   *card  // of the newest version, if it was not there
	newest newest
}

// newest is what the newest version says about the next round, once it was read or derived.
type newest struct {
	snapshot federation.Digest
	metadata map[string]string
}

// current is what was read of the round under way.
type current struct {
	header   federation.Header
	digest   federation.Digest // of the header
	sizes    []int             // bytes of an update's segments
	degree   int               // ring coefficients, so elements of a share sum
	manifest federation.VerifiedManifest

	candidate federation.Candidate
	index     int64 // of the entry that names it
	stands    int64 // of the entry with which t custodians were ready for it
}

// head is a size and root that a message claims for the log.
type head struct {
	federation.TreeHead
	object, what string
}

func newChecker(h *history, deep bool) *checker {
	return &checker{history: h, deep: deep}
}

// check checks one step. Kinds that name no object have nothing beyond what Apply checked.
func (c *checker) check(ctx context.Context, s step) error {
	checks := map[round.EntryKind]func(context.Context, step) error{
		round.PlanSet: c.checkPlan, round.Open: c.checkOpen, round.Join: c.checkJoin, round.Collect: c.checkCollect,
		round.Update: c.checkUpdate, round.Discard: c.checkUpdate, round.Declined: c.checkDecline,
		round.Candidate: c.checkCandidate, round.Ready: c.checkReady, round.Vouched: c.checkVouch, round.Derived: c.checkDerived,
		round.CharterSet: c.checkCharter,
		round.Send:       c.checkSend, round.Burn: c.checkBurn, round.Publish: c.checkPublish, round.Abandon: c.checkAbandon,
		round.Finish: c.checkFinish, round.Stated: c.checkState,
	}
	if s.entry.Kind == round.Genesis {
		c.report.Objects += 2 // begin read and verified them
		return nil
	}
	if f, ok := checks[s.entry.Kind]; ok {
		return f(ctx, s)
	}
	return nil
}

// checkCharter: that the charter may follow was verified before its batch was, by whose
// key that is signed. A card that the epoch before did not write is written by nobody.
func (c *checker) checkCharter(_ context.Context, s step) error {
	c.report.Objects += 2 + len(s.after.Charter.Closings)
	if s.entry.Reason != "" {
		c.report.Abandoned++
	}
	if c.card != nil {
		c.note("%s was never written: its epoch ended before", c.card.what())
		c.card = nil
	}
	return nil
}

// checkState checks the stored state that an entry names. That the entries before it give
// that state is known already. It may be missing: a coordinator then reads more of the log.
func (c *checker) checkState(ctx context.Context, s step) error {
	if !c.deep {
		return nil
	}
	_, err := c.blob(ctx, s.entry.Blob, round.MaxMemoBytes, s.name())
	if errors.Is(err, storage.ErrNotFound) {
		c.note("the state that entry %d names is not in the store: a start reads more of the log", s.index)
		return nil
	}
	return err
}

// blob reads a content-addressed object.
func (c *checker) blob(ctx context.Context, digest federation.Digest, limit int64, what string) ([]byte, error) {
	return c.object(ctx, storage.Blob(digest), digest, limit, what)
}

func (c *checker) object(ctx context.Context, name string, digest federation.Digest, limit int64, what string) ([]byte, error) {
	raw, err := storage.GetVerified(ctx, c.bucket, name, digest, limit)
	if err != nil {
		return nil, unread(name, what, err)
	}
	c.report.Objects++
	c.report.Bytes += int64(len(raw))
	return raw, nil
}

// signed reads a signed message that must speak for the hospital of the entry.
func signed[T envelope.Message](ctx context.Context, c *checker, s step) (m T, err error) {
	object := storage.Blob(s.entry.Blob)
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxMessageBytes, s.name())
	if err != nil {
		return m, err
	}
	if m, _, err = envelope.DecodeMessage[T](c.charter, raw); err != nil {
		return m, wrong(object, s.name(), err)
	}
	if m.From() != s.entry.Hospital {
		return m, contrary(object, s.name(), "it speaks for %s", m.From())
	}
	return m, nil
}

// contrary is a Problem of the object that a step's entry names.
func (s step) contrary(format string, args ...any) error {
	return contrary(storage.Blob(s.entry.Blob), s.name(), format, args...)
}

func (s step) wrong(err error) error { return wrong(storage.Blob(s.entry.Blob), s.name(), err) }

// cosigned checks a hospital's cosignature of a tree head and keeps the head for the
// comparison with the log, which is possible once all of it was read.
func (c *checker) cosigned(s step, id federation.HospitalID, h federation.TreeHead, line string) error {
	member, _ := c.charter.Member(id)
	checkpoint := roundlog.Checkpoint{Origin: c.origin, Size: h.Size, Root: roundlog.Hash(h.Root)}
	when, err := checkpoint.VerifyCosignature([]byte(line), string(id), member.IdentityKey)
	if err != nil {
		return s.wrong(fmt.Errorf("cosignature of the checkpoint of size %d: %w", h.Size, err))
	}
	c.heads = append(c.heads, head{h, storage.Blob(s.entry.Blob), s.name()})
	c.cosigners.add(id, h.Size, when)
	return nil
}

// compareHeads checks that every tree head that a message names is one of this log's.
func (c *checker) compareHeads(tree *roundlog.Tree) error {
	for _, h := range c.heads {
		root, err := tree.RootAt(h.Size)
		if err != nil {
			return wrong(h.object, h.what, err)
		}
		if federation.Digest(root) != h.Root {
			return wrong(h.object, h.what, fmt.Errorf("%w: %s at size %d, the log has %s", roundlog.ErrFork, h.Root, h.Size, federation.Digest(root)))
		}
	}
	return nil
}

func (c *checker) note(format string, args ...any) {
	if len(c.report.Notes) < maxNotes {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
	}
}
