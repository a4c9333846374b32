package roundlog

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"atrium/storage"
)

const (
	batchVersion = 1
	batchContext = "atrium/batch/v1"
)

// Batch is what one commit added to the log.
type Batch struct {
	Origin    string    // the log's name
	Number    int64     // from 0, without gaps
	Size      int64     // tree size before it, so the index of its first entry
	Root      Hash      // tree root before it
	Epoch     uint64    // the writer's
	Nonce     [16]byte  // tells equal batches of two writers apart
	Time      time.Time // UTC, the writer's clock
	Entries   [][]byte  // 1 to MaxBatchEntries of 1 to MaxEntryBytes, together at most MaxBatchPayload
	Signature []byte    // Ed25519, 64 bytes
}

// unsigned is the signed part in the order of its JSON fields.
type unsigned struct {
	Version int      `json:"v"`
	Origin  string   `json:"origin"`
	Batch   int64    `json:"batch"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Epoch   uint64   `json:"epoch"`
	Nonce   string   `json:"nonce"`
	Time    string   `json:"time"`
	Entries [][]byte `json:"entries"`
}

type signed struct {
	unsigned
	Signature []byte `json:"signature"`
}

func (b Batch) unsigned() unsigned {
	return unsigned{
		Version: batchVersion, Origin: b.Origin, Batch: b.Number, Size: b.Size, Root: hex.EncodeToString(b.Root[:]), Epoch: b.Epoch,
		Nonce: hex.EncodeToString(b.Nonce[:]), Time: b.Time.UTC().Format(time.RFC3339Nano), Entries: b.Entries,
	}
}

// Encode returns the batch's object: one canonical JSON value, no line end.
func (b Batch) Encode() []byte { return mustJSON(signed{b.unsigned(), b.Signature}) }

// message is what the log key signs: the context and the JSON without its signature,
// each behind its length in eight bytes, big-endian.
func (b Batch) message() []byte {
	var msg []byte
	for _, part := range [][]byte{[]byte(batchContext), mustJSON(b.unsigned())} {
		msg = binary.BigEndian.AppendUint64(msg, uint64(len(part)))
		msg = append(msg, part...)
	}
	return msg
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("roundlog: encode batch: " + err.Error()) // strings, integers and bytes always encode
	}
	return data
}

// decodeBatch reads what Encode wrote and refuses everything else with ErrEncoding or
// ErrEntry. It verifies no signature.
func decodeBatch(data []byte) (Batch, error) {
	if len(data) > MaxBatchBytes {
		return Batch{}, fmt.Errorf("%w: %d bytes", ErrEncoding, len(data))
	}
	var s signed
	if err := json.Unmarshal(data, &s); err != nil {
		return Batch{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	when, err := time.Parse(time.RFC3339Nano, s.Time)
	if err != nil {
		return Batch{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	b := Batch{Origin: s.Origin, Number: s.Batch, Size: s.Size, Epoch: s.Epoch, Time: when.UTC(), Entries: s.Entries, Signature: s.Signature}
	if len(s.Root) != 2*len(b.Root) || len(s.Nonce) != 2*len(b.Nonce) || s.Version != batchVersion ||
		!ValidOrigin(s.Origin) || s.Batch < 0 || s.Batch >= 1e12 || s.Size < 0 || len(s.Signature) != 64 {
		return Batch{}, fmt.Errorf("%w: a field of the batch is out of bounds", ErrEncoding)
	}
	hex.Decode(b.Root[:], []byte(s.Root)) // what is not hex does not re-encode to itself
	hex.Decode(b.Nonce[:], []byte(s.Nonce))
	if !bytes.Equal(b.Encode(), data) {
		return Batch{}, fmt.Errorf("%w: the batch does not re-encode to itself", ErrEncoding)
	}
	return b, checkEntries(b.Entries)
}

func checkEntries(entries [][]byte) error {
	if len(entries) == 0 || len(entries) > MaxBatchEntries {
		return fmt.Errorf("%w: %d entries in a batch", ErrEntry, len(entries))
	}
	sum := 0
	for i, e := range entries {
		if len(e) == 0 || len(e) > MaxEntryBytes {
			return fmt.Errorf("%w: entry %d has %d bytes", ErrEntry, i, len(e))
		}
		sum += len(e)
	}
	if sum > MaxBatchPayload {
		return fmt.Errorf("%w: %d bytes in a batch", ErrEntry, sum)
	}
	return nil
}

// VerifyBatch decodes a batch object and checks its signature and origin against a
// verifier key. That it continues the log is what [Read] checks. Errors: [ErrEncoding],
// [ErrEntry], [ErrSignature], [ErrBatch] for another origin, [ErrKey].
func VerifyBatch(data []byte, verifier string) (Batch, error) {
	v, err := newVerifier(verifier)
	if err != nil {
		return Batch{}, err
	}
	return verifyBatch(data, v)
}

func verifyBatch(data []byte, v note.Verifier) (Batch, error) {
	b, err := decodeBatch(data)
	if err == nil {
		err = b.verify(v)
	}
	if err != nil {
		return Batch{}, err
	}
	return b, nil
}

// verify checks origin and signature by a key.
func (b Batch) verify(v note.Verifier) error {
	if b.Origin != v.Name() {
		return fmt.Errorf("%w: its origin is %q, not %q", ErrBatch, b.Origin, v.Name())
	}
	if !v.Verify(b.message(), b.Signature) {
		return ErrSignature
	}
	return nil
}

// object is the batch's name in the bucket.
func (b Batch) object() string { return storage.Batch(b.Number) }
