package roundlog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

func testCheckpoint(t testing.TB, key *Key) (Checkpoint, []byte) {
	c := Checkpoint{Origin: key.name, Size: 345, Root: LeafHash([]byte("root"))}
	return c, must[[]byte](t)(key.signCheckpoint(c))
}

// spareBits changes the bits of the last base64 digit that decoders ignore.
func spareBits(t *testing.T, line []byte) []byte {
	t.Helper()
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	bad, at := bytes.Clone(line), bytes.LastIndexByte(line, '=')-1
	for bad[at] == '=' {
		at--
	}
	bad[at] = digits[strings.IndexByte(digits, bad[at])+1]
	return bad
}

func testCosigner() (ed25519.PrivateKey, ed25519.PublicKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("w"), 32))
	return private, private.Public().(ed25519.PublicKey)
}

func TestCheckpoint(t *testing.T) {
	key := testKey(t, "atrium.example/heart")
	want, data := testCheckpoint(t, key)
	golden(t, "checkpoint.golden", data)
	got := must[Checkpoint](t)(ParseCheckpoint(data, key.Verifier()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= flip
			_, err := ParseCheckpoint(bad, key.Verifier())
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) {
				t.Errorf("byte %d ^ %#x: %v", i, flip, err)
			}
		}
	}
}

func TestCheckpointRefused(t *testing.T) {
	key := testKey(t, "heart")
	_, good := testCheckpoint(t, key)
	root := LeafHash(nil).String()
	signed := func(text string, keys ...note.Signer) []byte {
		return must[[]byte](t)(note.Sign(&note.Note{Text: text}, keys...))
	}
	for what, c := range map[string]struct {
		data []byte
		err  error
	}{
		"signature's":  {spareBits(t, good), ErrEncoding},
		"extension":    {signed("heart\n1\n"+root+"\nmore\n", key), ErrEncoding},
		"short":        {signed("heart\n1\n", key), ErrEncoding},
		"leading zero": {signed("heart\n01\n"+root+"\n", key), ErrEncoding},
		"negative":     {signed("heart\n-1\n"+root+"\n", key), ErrEncoding},
		"endless":      {signed("heart\n4611686018427387943\n"+root+"\n", key), ErrEncoding},
		"root":         {signed("heart\n1\n"+root[1:]+"\n", key), ErrEncoding},
		"spare bits":   {signed("heart\n1\n"+root[:42]+string(root[42]+1)+"=\n", key), ErrEncoding},
		"other origin": {signed("liver\n1\n"+root+"\n", key), ErrEncoding},
		"other signer": {signed("heart\n1\n"+root+"\n", testKey(t, "other")), ErrSignature},
		"two signers":  {signed("heart\n1\n"+root+"\n", key, testKey(t, "other")), ErrEncoding},
		"long":         {[]byte(strings.Repeat("x", MaxCheckpointBytes+1)), ErrEncoding},
		"empty":        {nil, ErrEncoding},
	} {
		if _, err := ParseCheckpoint(c.data, key.Verifier()); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", what, err, c.err)
		}
	}
}

// TestCosignature checks the line against C2SP tlog-cosignature, put together by hand.
func TestCosignature(t *testing.T) {
	key := testKey(t, "heart")
	_, checkpoint := testCheckpoint(t, key)
	private, public := testCosigner()
	line := must[[]byte](t)(Cosign(checkpoint, "h-abc", private, noon))
	golden(t, "cosignature.golden", line)

	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	id := sha256.Sum256(append([]byte("h-abc\n\x04"), public...))
	raw := binary.BigEndian.AppendUint64(id[:4:4], 1772366400)
	raw = append(raw, ed25519.Sign(private, []byte("cosignature/v1\ntime 1772366400\n"+text+"\n"))...)
	if want := "— h-abc " + base64.StdEncoding.EncodeToString(raw) + "\n"; string(line) != want {
		t.Errorf("got  %swant %s", line, want)
	}
	when, err := VerifyCosignature(checkpoint, line, "h-abc", public)
	if err != nil || !when.Equal(noon.Truncate(time.Second)) {
		t.Errorf("verify: %s, %v", when, err)
	}
	n, err := note.Open(append(bytes.Clone(checkpoint), line...), note.VerifierList(must[note.Verifier](t)(newVerifier(key.Verifier()))))
	if err != nil || len(n.UnverifiedSigs) != 1 || n.UnverifiedSigs[0].Name != "h-abc" {
		t.Errorf("checkpoint and line are no note: %v", err)
	}
}

func TestCosignatureRefused(t *testing.T) {
	key := testKey(t, "heart")
	_, checkpoint := testCheckpoint(t, key)
	private, public := testCosigner()
	line := must[[]byte](t)(Cosign(checkpoint, "h-abc", private, noon))
	for i := range line {
		bad := bytes.Clone(line)
		bad[i] ^= 1
		if _, err := VerifyCosignature(checkpoint, bad, "h-abc", public); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) {
			t.Errorf("byte %d of the line: %v", i, err)
		}
	}
	body, _, _ := bytes.Cut(checkpoint, []byte("\n\n"))
	for i := range body {
		bad := bytes.Clone(checkpoint)
		bad[i] ^= 1
		if _, err := VerifyCosignature(bad, line, "h-abc", public); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) {
			t.Errorf("byte %d of the checkpoint: %v", i, err)
		}
	}
	if _, err := VerifyCosignature(checkpoint, spareBits(t, line), "h-abc", public); !errors.Is(err, ErrEncoding) {
		t.Errorf("spare bits: %v", err)
	}
	if _, err := VerifyCosignature(checkpoint, line, "h-abd", public); !errors.Is(err, ErrSignature) {
		t.Errorf("other name: %v", err)
	}
	other := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	if _, err := VerifyCosignature(checkpoint, line, "h-abc", other); !errors.Is(err, ErrSignature) {
		t.Errorf("other key: %v", err)
	}
	if _, err := VerifyCosignature(checkpoint, line, "h-abc", other[:3]); !errors.Is(err, ErrKey) {
		t.Errorf("short key: %v", err)
	}
	if _, err := Cosign(checkpoint, "a b", private, noon); !errors.Is(err, ErrKey) {
		t.Errorf("name with a space: %v", err)
	}
	if _, err := Cosign([]byte("heart\n1\n"), "h-abc", private, noon); !errors.Is(err, ErrEncoding) {
		t.Errorf("no checkpoint: %v", err)
	}
	if _, err := Cosign(checkpoint, "h-abc", private, time.Unix(-1, 0)); err == nil {
		t.Error("a time before 1970 is cosigned")
	}
}

func FuzzCheckpoint(f *testing.F) {
	key := testKey(f, "heart")
	c, data := testCheckpoint(f, key)
	f.Add(data)
	f.Add([]byte(c.text()))
	f.Add(bytes.Replace(data, []byte("345"), []byte("+345"), 1))
	f.Add([]byte("heart\n9007199254740993\n" + c.Root.String() + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := parseText(string(data)); err == nil && c.text() != string(data) {
			t.Errorf("%q re-encodes as %q", data, c.text())
		}
		c, err := ParseCheckpoint(data, key.Verifier())
		if err != nil {
			return
		}
		if again, err := key.signCheckpoint(c); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q re-encodes as %q", data, again)
		}
	})
}

func FuzzCosignature(f *testing.F) {
	_, checkpoint := testCheckpoint(f, testKey(f, "heart"))
	private, _ := testCosigner()
	line := must[[]byte](f)(Cosign(checkpoint, "h-abc", private, noon))
	f.Add(line)
	f.Add(bytes.TrimSuffix(line, []byte("\n")))
	f.Add([]byte("— h-abc AAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		name, raw, err := parseCosignature(data)
		if err == nil && !bytes.Equal(cosignatureLine(name, raw), data) {
			t.Errorf("%q re-encodes as %q", data, cosignatureLine(name, raw))
		}
	})
}
