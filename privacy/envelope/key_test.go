package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestErase(t *testing.T) {
	k := newKey(t)
	public := k.Public()
	sealed := mustSeal(t, k, testAD(), []byte("share"))
	if _, err := k.Open(testAD(), sealed); err != nil {
		t.Fatal(err)
	}
	k.Erase()
	k.Erase()
	if got, err := k.Open(testAD(), sealed); !errors.Is(err, ErrErased) || got != nil {
		t.Errorf("open after erase: %q, error %v, want ErrErased", got, err)
	}
	if !bytes.Equal(k.Public(), public) {
		t.Error("the public key changed")
	}
}

func TestEraseWhileOpening(t *testing.T) {
	k := newKey(t)
	sealed := mustSeal(t, k, testAD(), []byte("share"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := k.Open(testAD(), sealed); err != nil && !errors.Is(err, ErrErased) || err == nil && string(got) != "share" {
				t.Errorf("got %q, error %v", got, err)
			}
		})
	}
	wg.Go(k.Erase)
	wg.Wait()
}

func TestPublicIsACopy(t *testing.T) {
	k := newKey(t)
	k.Public()[0] ^= 1
	if _, err := k.Open(testAD(), mustSeal(t, k, testAD(), []byte("share"))); err != nil {
		t.Errorf("a caller changed the key: %v", err)
	}
}

// TestKeyPrintsFingerprint prints a key in every way that could show its fields.
func TestKeyPrintsFingerprint(t *testing.T) {
	k := fixedKey(t)
	want := Fingerprint(k.Public())
	if !strings.HasPrefix(want, "hpke:") || len(want) != len("hpke:")+12 {
		t.Fatalf("fingerprint %q", want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, k); got != want {
			t.Errorf("%s prints %q, want %q", verb, got, want)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("round", "key", k)
	if !strings.Contains(log.String(), `"key":"`+want+`"`) {
		t.Errorf("log line %s", log.String())
	}
	if b, err := json.Marshal(k); err != nil || string(b) != "{}" {
		t.Errorf("JSON %s, error %v", b, err)
	}
}
