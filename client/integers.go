package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// integersFolder holds what this hospital encrypted, of each question that was not answered as
// far as it knows (see over) and each form in which it was asked. Where an unopened question is
// asked again in the same form it encrypts the same integers anew: two vectors for one question
// would give away their difference, and a second computation a second look.
const integersFolder = "integers/"

// integersNote says which round computed the integers of a folder, about which version, and by
// which word of people here they were computed anew. It is written last.
type integersNote struct {
	V       int               `json:"v"` // 1
	Round   uint64            `json:"round"`
	Version uint64            `json:"version"`
	Word    federation.Digest `json:"word,omitzero"`
}

// integers reads or writes the fields of one round, a segment at a time.
type integers struct {
	store  bucket
	folder string
	note   integersNote
	kept   bool // they are those of an earlier round
}

// integersOf are those of a question, in the form in which the round asks it: on which base, by
// which plan, in which format and with which columns masked.
func integersOf(h federation.Header, masked federation.Columns, store bucket) integers {
	form := federation.Sum(federation.Encode(struct {
		Base   federation.Digest  `json:"base"`
		Plan   federation.Digest  `json:"plan"`
		Format fixedpoint.Format  `json:"format"`
		Masked federation.Columns `json:"masked"`
	}{h.Base, h.Plan, h.Format, masked}))
	return integers{store: store, folder: questionFolder(h.Questions) + form.String() + "/", note: integersNote{V: 1, Round: h.Round, Version: h.Version}}
}

func questionFolder(questions []string) string {
	return integersFolder + federation.Sum(federation.Encode(questions)).String() + "/"
}

func (k integers) noteName() string { return k.folder + "note" }

func (k integers) name(segment int) string { return fmt.Sprintf("%s%06d", k.folder, segment) }

// keptIntegers looks for what was encrypted of the round's question in its form before.
func (d *Daemon) keptIntegers(ctx context.Context, h federation.Header) (integers, error) {
	k := integersOf(h, d.masked(), d.store)
	raw, err := storage.GetAtMost(ctx, d.store, k.noteName(), federation.MaxMessageBytes)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return k, fatal{err}
	}
	word, wrong := d.calledWrong(h)
	if wrong != nil || err != nil { // an error of the file, or nothing is kept
		k.note.Word = word
		return k, wrong
	}
	note, err := decodeNote(k.noteName(), raw)
	if err != nil {
		return k, err
	}
	if !word.IsZero() && note.Word != word {
		k.note.Word = word
		return k, d.letWrongGo(ctx, h, k)
	}
	k.note.Round, k.kept = note.Round, true
	return k, nil
}

func decodeNote(name string, raw []byte) (integersNote, error) {
	note, err := federation.Decode[integersNote](raw, federation.MaxMessageBytes)
	if err == nil && note.V != 1 {
		err = fmt.Errorf("format %d: this program reads 1", note.V)
	}
	if err != nil {
		return note, fmt.Errorf("%s: %w: %w", name, errKept, err)
	}
	return note, nil
}

// fields returns fields [from, to) of a segment: those that are kept, or the quantised
// contribution, which is then on disk.
func (k integers) fields(ctx context.Context, dst []uint32, f fixedpoint.Format, values contribution, segment, from, to int, rounding *fixedpoint.Rounding) ([]uint32, error) {
	if k.kept {
		return k.read(ctx, dst, segment, to-from)
	}
	dst, err := quantise(dst, f, values, from, to, rounding)
	if err != nil {
		return dst, err
	}
	raw := make([]byte, 0, 4*len(dst))
	for _, v := range dst {
		raw = binary.LittleEndian.AppendUint32(raw, v)
	}
	defer clear(raw)
	// An attempt that was never fixed may have left its own.
	if err := k.store.Delete(ctx, k.name(segment)); err != nil {
		return dst, fatal{err}
	}
	if err := storage.PutOnce(ctx, k.store, k.name(segment), raw); err != nil {
		return dst, fatal{err}
	}
	return dst, nil
}

func (k integers) read(ctx context.Context, dst []uint32, segment, count int) ([]uint32, error) {
	raw, err := storage.GetAtMost(ctx, k.store, k.name(segment), int64(4*count))
	if err != nil {
		return dst, fmt.Errorf("integers of round %d: %w", k.note.Round, err)
	}
	if len(raw) != 4*count {
		return dst, fmt.Errorf("integers of round %d: segment %d has %d bytes, want %d", k.note.Round, segment, len(raw), 4*count)
	}
	defer clear(raw)
	dst = dst[:0]
	for at := 0; at < len(raw); at += 4 {
		dst = append(dst, binary.LittleEndian.Uint32(raw[at:]))
	}
	return dst, nil
}

// finish makes the integers those of the question: before it nothing of them counts.
func (k integers) finish(ctx context.Context) error {
	if k.kept {
		return nil
	}
	if err := storage.PutOnce(ctx, k.store, k.noteName(), federation.Encode(k.note)); err != nil {
		return fatal{err}
	}
	return nil
}
