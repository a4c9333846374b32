package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"atrium/coordinator/federation"
	"atrium/storage"
)

// Integers are computed anew only where they were lost with the disk, never because others took
// their place: a coordinator that asks about one old version after the other would get a second
// vector for a question that it keeps open. So there is room for more questions than an honest
// federation leaves open, and where it is full the oldest of an earlier version is let go for
// good: it is declined from then on. A question about the newest version is never let go, and
// where only these are left new ones are declined.
var (
	errForms = errors.New("it is asked in ever other forms")
	errLetGo = errors.New("what this hospital encrypted for this question gave way to newer questions")
	errFull  = errors.New("too many questions that were not answered are kept here")
)

// heldQuestion is what is kept of one question.
type heldQuestion struct {
	folder  string
	objects int
	forms   int
	gone    bool // it was let go
	bytes   int64
	round   uint64 // that computed something of it last; 0: none finished
	version uint64 // the newest that it was asked about
}

func goneName(question string) string { return question + "gone" }

// makeRoom makes room for integers of a question that are so many bytes, or says why there is
// none.
func (d *Daemon) makeRoom(ctx context.Context, question string, size int64) error {
	objects, err := d.store.List(ctx, integersFolder)
	if err != nil {
		return fatal{err}
	}
	held, err := d.heldQuestions(ctx, objects)
	if err != nil {
		return err
	}
	questions, gone := 1, 0
	for _, q := range held {
		size += q.bytes
		switch {
		case q.folder == question && q.gone:
			return fmt.Errorf("question %s: %w", q.folder, errLetGo)
		case q.folder == question && q.forms >= maxForms:
			return fmt.Errorf("this question was computed in %d forms: %w", q.forms, errForms)
		case q.gone:
			gone++
		case q.folder != question:
			questions++
		}
	}
	newest := d.newestVersion()
	for _, q := range held {
		full := questions > maxQuestions || size > maxIntegers
		broke := q.gone && q.objects > 1 // it was let go when the daemon ended
		older := !q.gone && gone < maxGone && (q.version < newest || q.round == 0)
		if q.folder == question || !broke && !(full && older) {
			continue
		}
		if err := d.letQuestionGo(ctx, objects, q); err != nil {
			return err
		}
		if size -= q.bytes; older {
			questions, gone = questions-1, gone+1
		}
	}
	if questions > maxQuestions || size > maxIntegers {
		return fmt.Errorf("%d questions, %d bytes: %w", questions, size, errFull)
	}
	return nil
}

// newestVersion is the newest that custodians signed.
func (d *Daemon) newestVersion() (version uint64) {
	for _, b := range d.state.Bases {
		version = max(version, b.Version)
	}
	return version
}

// heldQuestions lists what is kept, the oldest first.
func (d *Daemon) heldQuestions(ctx context.Context, objects []storage.ObjectInfo) ([]heldQuestion, error) {
	held := map[string]heldQuestion{}
	for _, o := range objects {
		folder := o.Name[:min(len(o.Name), len(questionFolder(nil)))]
		q := held[folder]
		q.folder, q.objects, q.bytes, q.gone = folder, q.objects+1, q.bytes+o.Size, q.gone || o.Name == goneName(folder)
		if strings.HasSuffix(o.Name, "/note") {
			raw, err := storage.GetAtMost(ctx, d.store, o.Name, federation.MaxMessageBytes)
			if err != nil {
				return nil, fatal{err}
			}
			note, err := decodeNote(o.Name, raw)
			if err != nil {
				return nil, err
			}
			q.forms, q.round, q.version = q.forms+1, max(q.round, note.Round), max(q.version, note.Version)
		}
		held[folder] = q
	}
	return slices.SortedFunc(maps.Values(held), func(a, b heldQuestion) int {
		return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.folder, b.folder))
	}), nil
}

// letQuestionGo deletes the integers of a question, after it is written that they are gone. Of one
// whose integers were never finished nothing left this hospital.
func (d *Daemon) letQuestionGo(ctx context.Context, objects []storage.ObjectInfo, q heldQuestion) error {
	if q.round > 0 && !q.gone {
		d.cfg.Logger.Warn("integers of an unanswered question give way to newer ones", "round", q.round, "version", q.version)
		if err := storage.PutOnce(ctx, d.store, goneName(q.folder), federation.Encode(integersNote{V: 1, Round: q.round, Version: q.version})); err != nil {
			return fatal{err}
		}
	}
	return d.deleteFolder(ctx, objects, q.folder)
}

// deleteFolder deletes the objects of a folder that were listed, the notes first, but what says that
// they are gone.
func (d *Daemon) deleteFolder(ctx context.Context, objects []storage.ObjectInfo, folder string) error {
	for _, notes := range []bool{true, false} {
		for _, o := range objects {
			if !strings.HasPrefix(o.Name, folder) || o.Name == goneName(folder) || strings.HasSuffix(o.Name, "/note") != notes {
				continue
			}
			if err := d.store.Delete(ctx, o.Name); err != nil {
				return fatal{err}
			}
		}
	}
	return nil
}
