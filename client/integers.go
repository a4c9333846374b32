package client

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// integersFolder holds what this hospital encrypted, of each of the newest questions that it
// worked on and each form in which they were asked. Where an unopened question is asked again
// in the same form it encrypts the same integers anew: two vectors for one question would give
// away their difference, and a second computation a second look.
const integersFolder = "integers/"

// integersNote says which round computed the integers of a folder. It is written last.
type integersNote struct {
	V     int    `json:"v"` // 1
	Round uint64 `json:"round"`
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
	return integers{store: store, folder: questionFolder(h) + form.String() + "/", note: integersNote{V: 1, Round: h.Round}}
}

func questionFolder(h federation.Header) string {
	return integersFolder + federation.Sum(federation.Encode(h.Questions)).String() + "/"
}

func (k integers) noteName() string { return k.folder + "note" }

func (k integers) name(segment int) string { return fmt.Sprintf("%s%06d", k.folder, segment) }

// keptIntegers looks for what was encrypted of the round's question in its form before. A
// question that is asked in ever other forms is declined.
func (d *Daemon) keptIntegers(ctx context.Context, h federation.Header) (integers, error) {
	k := integersOf(h, d.masked(), d.store)
	raw, err := storage.GetAtMost(ctx, d.store, k.noteName(), federation.MaxMessageBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return k, d.tidyIntegers(ctx, questionFolder(h))
	}
	if err != nil {
		return k, fatal{err}
	}
	note, err := federation.Decode[integersNote](raw, federation.MaxMessageBytes)
	if err != nil || note.V != 1 {
		return k, fmt.Errorf("%s: %w: %v", k.noteName(), errKept, err)
	}
	k.note.Round, k.kept = note.Round, true
	return k, nil
}

// tidyIntegers makes room for the integers of a question: the newest questions stay, by the
// round that computed them last.
func (d *Daemon) tidyIntegers(ctx context.Context, question string) error {
	objects, err := d.store.List(ctx, integersFolder)
	if err != nil {
		return fatal{err}
	}
	forms, newest := 0, map[string]uint64{}
	for _, o := range objects {
		folder := o.Name[:min(len(o.Name), len(question))]
		if newest[folder] += 0; !strings.HasSuffix(o.Name, "/note") {
			continue
		}
		raw, err := storage.GetAtMost(ctx, d.store, o.Name, federation.MaxMessageBytes)
		if err != nil {
			return fatal{err}
		}
		note, err := federation.Decode[integersNote](raw, federation.MaxMessageBytes)
		if err != nil {
			return fmt.Errorf("%s: %w: %w", o.Name, errKept, err)
		}
		newest[folder] = max(newest[folder], note.Round)
		if folder == question {
			forms++
		}
	}
	if forms >= maxForms {
		return fmt.Errorf("this question was computed in %d forms: %w", forms, errForms)
	}
	delete(newest, question)
	folders := slices.SortedFunc(maps.Keys(newest), func(a, b string) int { return cmp.Compare(newest[b], newest[a]) })
	for _, folder := range folders[min(len(folders), maxQuestions-1):] {
		if err := d.deleteFolder(ctx, objects, folder); err != nil {
			return err
		}
	}
	return nil
}

// errForms: one question was asked in too many forms.
var errForms = errors.New("it is asked in ever other forms")

// deleteFolder deletes the objects of a folder, the notes first.
func (d *Daemon) deleteFolder(ctx context.Context, objects []storage.ObjectInfo, folder string) error {
	for _, notes := range []bool{true, false} {
		for _, o := range objects {
			if !strings.HasPrefix(o.Name, folder) || strings.HasSuffix(o.Name, "/note") != notes {
				continue
			}
			if err := d.store.Delete(ctx, o.Name); err != nil {
				return fatal{err}
			}
		}
	}
	return nil
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
