package he

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTwoEncryptionsDiffer(t *testing.T) {
	p := parameters(t, choose(t, 40, 4, 16))
	source := rand.NewChaCha8([32]byte{1})
	fields := make([]uint32, 40)
	var wires [][]byte
	for range 2 {
		key, err := p.NewKey(source)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := p.Encrypt([32]byte{}, key, fields, source)
		if err != nil {
			t.Fatal(err)
		}
		wires = append(wires, wire)
	}
	if bytes.Equal(wires[0], wires[1]) {
		t.Error("two keys give one ciphertext")
	}
	same := rand.NewChaCha8([32]byte{1})
	key, err := p.NewKey(same)
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.Encrypt([32]byte{}, key, fields, io.MultiReader(bytes.NewReader(make([]byte, 48)), same))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(wires[0], again) {
		t.Error("one key and two error streams give one ciphertext")
	}
}

func TestKeyIsUsedOnce(t *testing.T) {
	p := parameters(t, choose(t, 60_000, 5, 16))
	source := rand.NewChaCha8([32]byte{1})
	key, err := p.NewKey(source)
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(p *Parameters, first, last int, seed byte) error {
		from, to := p.Fields(first, last)
		_, err := p.EncryptBlocks(nil, first, last, [32]byte{seed}, key, make([]uint32, to-from), source)
		return err
	}
	if err := encrypt(p, 0, 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := encrypt(p, 1, 3, 1); !errors.Is(err, ErrKey) {
		t.Errorf("block twice: error %v, want ErrKey", err)
	}
	if err := encrypt(p, 2, 3, 2); !errors.Is(err, ErrKey) {
		t.Errorf("another seed: error %v, want ErrKey", err)
	}
	if err := encrypt(parameters(t, p.Literal()), 2, 3, 1); !errors.Is(err, ErrKey) {
		t.Errorf("other parameters: error %v, want ErrKey", err)
	}
	if err := encrypt(p, 2, 3, 1); err != nil {
		t.Errorf("next block: %v", err)
	}
	coefficients := key.coefficients
	key.Erase()
	for i, v := range coefficients {
		if v != 0 {
			t.Fatalf("erased key has coefficient %d = %d", i, v)
		}
	}
	if err := encrypt(p, 3, 4, 1); !errors.Is(err, ErrKey) || key.Coefficients() != nil {
		t.Errorf("erased key: error %v, want ErrKey", err)
	}
}

func TestEncryptRefuses(t *testing.T) {
	p := parameters(t, choose(t, 20, 5, 16))
	key, err := p.NewKey(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	fields := make([]uint32, 20)
	if _, err := p.Encrypt([32]byte{}, key, fields[1:], rand.NewChaCha8([32]byte{})); !errors.Is(err, ErrFields) {
		t.Errorf("19 fields: error %v, want ErrFields", err)
	}
	fields[19] = 65536
	if _, err := p.Encrypt([32]byte{}, key, fields, rand.NewChaCha8([32]byte{})); !errors.Is(err, ErrFields) {
		t.Errorf("field of 17 bits: error %v, want ErrFields", err)
	}
	fields[19] = 65535
	if _, err := p.Encrypt([32]byte{}, key, fields, bytes.NewReader(make([]byte, 47))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short randomness: error %v", err)
	}
	if _, err := p.NewKey(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no randomness: error %v", err)
	}
	if _, err := p.Encrypt([32]byte{}, key, fields, rand.NewChaCha8([32]byte{})); err != nil {
		t.Errorf("refused attempts used up the key: %v", err)
	}
}

func TestKeyPrintsFingerprintOnly(t *testing.T) {
	p := parameters(t, choose(t, 20, 5, 16))
	key, err := p.NewKey(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, key); got != key.String() || len(got) > 30 {
			t.Errorf("%s prints %.80s", verb, got)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key)
	if !strings.Contains(log.String(), key.String()) || log.Len() > 200 {
		t.Errorf("logged %.300s", log.String())
	}
	if b, err := json.Marshal(key); err != nil || string(b) != "{}" {
		t.Errorf("marshals to %.80s, error %v", b, err)
	}
	for _, v := range key.Coefficients() {
		if v < -NoiseBound || v > NoiseBound {
			t.Fatalf("coefficient %d", v)
		}
	}
}
