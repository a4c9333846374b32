package roundlog

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

const cosignatureBytes = 4 + 8 + ed25519.SignatureSize // key ID, POSIX time, signature

// Cosign returns a cosignature line of C2SP tlog-cosignature ("cosignature/v1") over a
// signed checkpoint, ending in a line feed, so that checkpoint and line together are a
// note. It states that at this time (whole seconds) the checkpoint is the largest
// consistent one that name has seen of the log: the caller must have verified the
// checkpoint's signature and consistency, and must use key for no other name.
func Cosign(checkpoint []byte, name string, key ed25519.PrivateKey, now time.Time) (line []byte, err error) {
	if !ValidOrigin(name) || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: cosigner %q", ErrKey, name)
	}
	if now.Unix() < 0 {
		return nil, fmt.Errorf("cosign at %s: time before 1970", now.UTC().Format(time.RFC3339))
	}
	body, err := checkpointBody(checkpoint)
	if err != nil {
		return nil, err
	}
	seconds := uint64(now.Unix())
	raw := binary.BigEndian.AppendUint32(nil, keyID(name, algCosignature, key.Public().(ed25519.PublicKey)))
	raw = binary.BigEndian.AppendUint64(raw, seconds)
	raw = append(raw, ed25519.Sign(key, cosigned(seconds, body))...)
	return cosignatureLine(name, raw), nil
}

// VerifyCosignature checks a line that [Cosign] wrote and returns its time. Errors:
// [ErrEncoding], [ErrSignature] also for another name or key, [ErrKey]. The checkpoint's
// own signature is the caller's to check.
func VerifyCosignature(checkpoint, line []byte, name string, key ed25519.PublicKey) (time.Time, error) {
	if !ValidOrigin(name) || len(key) != ed25519.PublicKeySize {
		return time.Time{}, fmt.Errorf("%w: cosigner %q", ErrKey, name)
	}
	body, err := checkpointBody(checkpoint)
	if err != nil {
		return time.Time{}, err
	}
	signer, raw, err := parseCosignature(line)
	if err != nil {
		return time.Time{}, err
	}
	seconds := uint64(cosignedAt(raw).Unix())
	if signer != name || binary.BigEndian.Uint32(raw) != keyID(name, algCosignature, key) {
		return time.Time{}, fmt.Errorf("%w: cosignature of %s is by %s or another key", ErrSignature, name, signer)
	}
	if !ed25519.Verify(key, cosigned(seconds, body), raw[12:]) {
		return time.Time{}, fmt.Errorf("%w: cosignature of %s", ErrSignature, name)
	}
	return cosignedAt(raw), nil
}

// cosignedAt is the time in the bytes of a line, which parseCosignature bounded.
func cosignedAt(raw []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
}

// parseCosignature splits a line into its name and its 76 bytes.
func parseCosignature(line []byte) (name string, raw []byte, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("— "))
	id, encoded, found := bytes.Cut(rest, []byte(" "))
	if !ok || !found || len(line) > MaxCosignature {
		return "", nil, fmt.Errorf("%w: cosignature line", ErrEncoding)
	}
	raw, err = base64.StdEncoding.DecodeString(string(bytes.TrimSuffix(encoded, []byte("\n"))))
	if err != nil || len(raw) != cosignatureBytes || binary.BigEndian.Uint64(raw[4:]) > math.MaxInt64 ||
		!ValidOrigin(string(id)) || !bytes.Equal(cosignatureLine(string(id), raw), line) {
		return "", nil, fmt.Errorf("%w: cosignature line does not re-encode to itself", ErrEncoding)
	}
	return string(id), raw, nil
}

func cosignatureLine(name string, raw []byte) []byte {
	return fmt.Appendf(nil, "— %s %s\n", name, base64.StdEncoding.EncodeToString(raw))
}

func cosigned(seconds uint64, body []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", seconds), body...)
}

// checkpointBody is the signed text of a checkpoint, its last line feed included.
func checkpointBody(checkpoint []byte) ([]byte, error) {
	text, _, ok := bytes.Cut(checkpoint, []byte("\n\n"))
	if !ok || len(checkpoint) > MaxCheckpointBytes {
		return nil, fmt.Errorf("%w: checkpoint without signature", ErrEncoding)
	}
	body := append(bytes.Clone(text), '\n')
	_, err := parseText(string(body))
	return body, err
}
