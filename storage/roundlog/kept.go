package roundlog

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Kept is a checkpoint as a hospital keeps it and hands it on: the note that the log's key
// signed, and cosignature lines below.
type Kept struct {
	Checkpoint                 // what the note says; nobody verified it yet
	Note         []byte        // with the log's signature alone, as [ParseCheckpoint] takes it
	Cosignatures []Cosignature // in the order of the file
}

// Cosignature is a line that [Cosign] wrote, and by whom and when it says it is.
type Cosignature struct {
	Name string
	Time time.Time // UTC
	Line []byte
}

// ParseKept reads what [Kept.Encode] wrote and verifies nothing. Mail and editors may have
// changed line ends, put a byte order mark in front, or added blank lines around it; of
// that nothing was signed. [ErrEncoding].
func ParseKept(data []byte) (Kept, error) {
	if len(data) > MaxKeptBytes {
		return Kept{}, fmt.Errorf("%w: kept checkpoint of more than %d bytes", ErrEncoding, MaxKeptBytes)
	}
	data = tidy(data)
	text, below, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok || bytes.IndexByte(data, '\r') >= 0 {
		return Kept{}, fmt.Errorf("%w: checkpoint without signature", ErrEncoding)
	}
	text = append(bytes.Clone(text), '\n')
	c, err := parseText(string(text))
	if err != nil {
		return Kept{}, err
	}
	k := Kept{Checkpoint: c, Note: append(text, '\n')}
	own := fmt.Appendf(nil, "— %s ", c.Origin)
	for line := range bytes.Lines(below) {
		if bytes.HasPrefix(line, own) {
			k.Note = append(k.Note, line...)
			continue
		}
		name, raw, err := parseCosignature(line)
		if err != nil {
			return Kept{}, err
		}
		k.Cosignatures = append(k.Cosignatures, Cosignature{name, cosignedAt(raw), bytes.Clone(line)})
	}
	return k, nil
}

// tidy undoes what happens to a file on its way.
func tidy(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return append(bytes.Trim(data, "\n"), '\n')
}

// Encode returns the file: a signed note with its cosignatures.
func (k Kept) Encode() []byte {
	data := bytes.Clone(k.Note)
	for _, c := range k.Cosignatures {
		data = append(data, c.Line...)
	}
	return data
}

// CheckKept checks that a key of this log signed a kept checkpoint, and that the checkpoint
// is a prefix of the tree, which [Read] returned. Errors: [ErrOtherLog], [ErrSignature],
// [ErrEncoding]; of a checkpoint that is rightly signed [ErrBehind] when it is larger than
// the log and [ErrFork] when the log had another root at its size. Cosignatures are the
// caller's to check.
func (t *Tree) CheckKept(k Kept) error {
	if k.Origin != t.Origin() {
		return fmt.Errorf("%w: it is of %q, this is %q", ErrOtherLog, k.Origin, t.Origin())
	}
	signer, err := t.signerOf(k.Note)
	if err == nil {
		err = t.CheckPrefix(k.Checkpoint)
	}
	if err == nil && !sameKey(signer, keyAt(t.reigns, t.verifier, k.Size)) {
		err = fmt.Errorf("%w: at size %d the log had another key", ErrSignature, k.Size)
	}
	return err
}

// Origin is the log's name, where [Read] returned the tree.
func (t *Tree) Origin() string { return t.verifier.Name() }

// signerOf finds the key of the log that signed a checkpoint: of one that is larger than
// the tree nobody knows which it must be.
func (t *Tree) signerOf(data []byte) (note.Verifier, error) {
	keys := []note.Verifier{t.verifier}
	for _, r := range t.reigns {
		keys = append(keys, r.verifier)
	}
	for _, v := range keys {
		_, err := parseCheckpoint(data, v)
		var unknown *note.UnverifiedNoteError
		if !errors.As(err, &unknown) {
			return v, err
		}
	}
	return nil, fmt.Errorf("%w: it is signed by a key that this log does not have", ErrOtherLog)
}
