package audit

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// history is a log that is read from its beginning.
type history struct {
	bucket  storage.Bucket
	opts    Options
	charter federation.Charter // in force
	follow  *opening.Charters
	pinned  bool   // the charter of Options is among those read so far
	origin  string // the log's name
	total   int64  // size of the published checkpoint, for progress

	memo    round.Memo        // after the entries read so far
	archive round.Archive     // of them
	first   federation.Digest // charter of epoch 1
	batches int64
	entries int64
	written []written // one a batch

	members   map[federation.HospitalID]federation.Member // of all charters so far
	cosigners cosigners                                   // that messages name; kept checkpoints add theirs at the end
	kept      []kept
	anchor    Anchor // at the end
}

// step is one entry with the state before and after it.
type step struct {
	batch         string // object that holds it
	index         int64
	entry         round.Entry
	before, after round.State
}

// begin finds charter and key: the genesis entry names the charter, the charter names
// the key, and walk verifies the genesis entry by that key.
func begin(ctx context.Context, b storage.Bucket, opts Options) (*history, error) {
	object := storage.Batch(0)
	raw, err := storage.GetAtMost(ctx, b, object, roundlog.MaxBatchBytes)
	if errors.Is(err, storage.ErrNotFound) {
		if _, missing := b.Stat(ctx, storage.Checkpoint); errors.Is(missing, storage.ErrNotFound) {
			return nil, fmt.Errorf("audit: %w", roundlog.ErrNoLog)
		}
	}
	if err != nil {
		return nil, unread(object, "", err)
	}
	batch, err := roundlog.UnverifiedBatch(raw)
	if err != nil {
		return nil, wrong(object, "", err)
	}
	e, err := round.DecodeEntry(batch.Entries[0])
	if err != nil {
		return nil, wrong(object, "entry 0", err)
	}
	if e.Kind != round.Genesis {
		return nil, contrary(object, "entry 0", "it is %s, not genesis", e.Kind)
	}
	h := &history{bucket: b, opts: opts, origin: batch.Origin, members: map[federation.HospitalID]federation.Member{}, cosigners: cosigners{}}
	if err := h.readKept(); err != nil {
		return nil, err
	}
	if err := h.openCharter(ctx, object, e); err != nil {
		return nil, err
	}
	h.memo = round.Memo{State: round.State{Charter: h.charter}}
	h.follow = opening.NewCharters(ctx, b, h.charter)
	return h, nil
}

func (h *history) openCharter(ctx context.Context, object string, e round.Entry) error {
	h.pinned = h.opts.Charter.IsZero() || e.Blob == h.opts.Charter
	blob := storage.Blob(e.Blob)
	raw, err := storage.GetBlob(ctx, h.bucket, e.Blob, federation.MaxCharterBytes)
	if errors.Is(err, storage.ErrNotFound) { // either of the two may be the damaged one
		return wrong(object, "genesis entry", fmt.Errorf("the charter it names, %w", err))
	}
	if err != nil {
		return unread(blob, "charter", err)
	}
	if h.charter, err = federation.DecodeCharter(raw); err != nil {
		return wrong(blob, "charter", err)
	}
	if pin := h.opts.LogKey; pin != "" && h.charter.LogKey != pin {
		return wrong(blob, "charter", fmt.Errorf("log key %s is %w: %s", h.charter.LogKey, ErrPin, pin))
	}
	if raw, err = storage.GetBlob(ctx, h.bucket, e.Attachment, federation.MaxCharterBytes); err != nil {
		return unread(storage.Blob(e.Attachment), "countersignatures of the charter", err)
	}
	h.first = e.Blob
	h.enrol()
	signed, err := federation.Decode[federation.Countersignatures](raw, federation.MaxCharterBytes)
	if err == nil {
		err = envelope.VerifyCountersignatures(h.charter, signed)
	}
	if err != nil {
		return wrong(storage.Blob(e.Attachment), "countersignatures of the charter", err)
	}
	return nil
}

// enrol takes up the hospitals of the charter in force. An ID follows from its key.
func (h *history) enrol() {
	for _, m := range h.charter.Members {
		h.members[m.ID] = m
	}
}

// walk verifies the batches in order, applies their entries and shows each to visit, and
// compares what was read with the checkpoints that hospitals kept.
func (h *history) walk(ctx context.Context, visit func(step) error) (*roundlog.Tree, error) {
	tree, err := roundlog.Read(ctx, h.bucket, h.charter.LogKey, func(b roundlog.Batch) error {
		if err := h.take(b, visit); err != nil {
			return err
		}
		h.batches++
		h.written = append(h.written, written{h.entries, b.Time})
		if h.opts.Progress != nil {
			h.opts.Progress(h.entries, max(h.total, h.entries))
		}
		return ctx.Err()
	}, h.follow.Option())
	if err == nil {
		err = round.Invariants(h.memo.State)
	}
	if err == nil && !h.pinned {
		return nil, wrong(storage.Batch(0), "genesis entry", fmt.Errorf("charter %s, and none that follows it, is %w: %s", h.first, ErrPin, h.opts.Charter))
	}
	if err != nil {
		return nil, logFault(storage.Batch(h.batches), err)
	}
	return tree, h.checkKept(tree)
}

func (h *history) take(b roundlog.Batch, visit func(step) error) error {
	object := storage.Batch(b.Number)
	entries, err := decodeEntries(b)
	if err != nil {
		return err
	}
	epoch := h.memo.State.Epoch
	if begins(entries[0].Kind) {
		epoch++
	}
	if b.Epoch != epoch {
		return wrong(object, "", fmt.Errorf("%w: %d while epoch %d leads", roundlog.ErrEpoch, b.Epoch, epoch))
	}
	for i, e := range entries {
		h.memo.State = h.follow.Before(h.memo.State, e)
		s := step{batch: object, index: b.Size + int64(i), entry: e, before: h.memo.State}
		next, err := h.memo.Apply(e)
		if err == nil && settled(e.Kind) {
			err = round.Invariants(next.State)
		}
		if err != nil {
			return wrong(object, s.name(), err)
		}
		h.memo, s.after, h.charter = next, next.State, next.State.Charter
		if e.Kind == round.CharterSet {
			h.pinned = h.pinned || e.Blob == h.opts.Charter
			h.enrol()
		}
		h.entries++
		if err := visit(s); err != nil {
			return err
		}
		h.archive.Note(s.before, e, s.after)
	}
	return nil
}

// settled lists the entries after which the whole state is checked: a few a round, since
// that takes a time that grows with the square of the roster. Apply checks every entry.
func settled(kind round.EntryKind) bool {
	switch kind {
	case round.CharterSet, round.PlanSet, round.Collect, round.Candidate, round.Publish, round.Abandon, round.Finish:
		return true
	}
	return false
}

// begins reports whether a kind of entry begins the epoch of another leader.
func begins(kind round.EntryKind) bool { return kind == round.Lead || kind == round.CharterSet }

// decodeEntries also refuses a change of epoch in the middle of a batch.
func decodeEntries(b roundlog.Batch) ([]round.Entry, error) {
	object := storage.Batch(b.Number)
	var entries []round.Entry
	for i, raw := range b.Entries {
		e, err := round.DecodeEntry(raw)
		if err != nil {
			return nil, wrong(object, fmt.Sprintf("entry %d", b.Size+int64(i)), err)
		}
		if i > 0 && begins(e.Kind) {
			return nil, contrary(object, fmt.Sprintf("entry %d", b.Size+int64(i)), "a batch of two epochs")
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// name says what the step's entry is.
func (s step) name() string {
	text := fmt.Sprintf("entry %d, %s", s.index, s.entry.Kind)
	if s.entry.Hospital != "" {
		text += " of " + string(s.entry.Hospital)
	}
	if s.entry.Round > 0 {
		text += fmt.Sprintf(" in round %d", s.entry.Round)
	}
	return text
}
