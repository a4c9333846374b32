package roundlog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a tree head that the log's key signed.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
}

// text is the body of C2SP tlog-checkpoint: three lines, no extension.
func (c Checkpoint) text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

func parseText(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint without three lines", ErrEncoding)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint size: %w", ErrEncoding, err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint root: %w", ErrEncoding, err)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if size < 0 || size > maxSize || !ValidOrigin(c.Origin) || c.text() != text {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint does not re-encode to itself", ErrEncoding)
	}
	return c, nil
}

func (k *Key) signCheckpoint(c Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text()}, k)
}

// ParseCheckpoint reads a checkpoint that carries the signature of the verifier key and
// no other: cosignatures travel beside it. Errors: [ErrEncoding], [ErrSignature],
// [ErrKey].
func ParseCheckpoint(data []byte, verifier string) (Checkpoint, error) {
	v, err := newVerifier(verifier)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(data, v)
}

func parseCheckpoint(data []byte, v note.Verifier) (Checkpoint, error) {
	if len(data) > MaxCheckpointBytes {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint of %d bytes", ErrEncoding, len(data))
	}
	n, err := note.Open(data, note.VerifierList(v))
	switch err.(type) {
	case nil:
	case *note.InvalidSignatureError, *note.UnverifiedNoteError:
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrSignature, err)
	default:
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	again, err := note.Sign(n)
	if err != nil || !bytes.Equal(again, data) || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 || !canonicalBase64(n.Sigs[0].Base64) {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint does not re-encode to itself", ErrEncoding)
	}
	c, err := parseText(n.Text)
	if err == nil && c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint of %q, not %q", ErrEncoding, c.Origin, v.Name())
	}
	return c, err
}

// canonicalBase64 refuses the spare bits that decoders ignore.
func canonicalBase64(s string) bool {
	raw, err := base64.StdEncoding.DecodeString(s)
	return err == nil && base64.StdEncoding.EncodeToString(raw) == s
}
