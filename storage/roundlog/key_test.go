package roundlog

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestKeyText(t *testing.T) {
	k := testKey(t, "atrium.example/heart")
	again := must[*Key](t)(ParseKey(k.Secret()))
	if again.Verifier() != k.Verifier() || again.Secret() != k.Secret() || again.Name() != k.Name() {
		t.Error("a key changes through its text form")
	}
	if _, err := ParseKey(strings.TrimSuffix(k.Secret(), "\n")); err != nil {
		t.Errorf("without line end: %v", err)
	}
	if signer := must[note.Signer](t)(note.NewSigner(strings.TrimSpace(k.Secret()))); signer.KeyHash() != k.KeyHash() {
		t.Error("package note reads another key")
	}
	text := k.Secret()
	for i := range len(text) - 1 {
		bad := text[:i] + string(text[i]^1) + text[i+1:]
		if other, err := ParseKey(bad); err == nil {
			t.Errorf("byte %d changed: %s", i, other)
		}
	}
}

func TestKeyNames(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b", "a\nb", "ü", "a\"", strings.Repeat("a", MaxOrigin+1)} {
		if _, err := GenerateKey(name, strings.NewReader(strings.Repeat("x", 32))); !errors.Is(err, ErrKey) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := GenerateKey("a", strings.NewReader("short")); err == nil {
		t.Error("a key of five random bytes")
	}
}

func TestKeyPrintsNoSecret(t *testing.T) {
	k := testKey(t, "heart")
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("open", "key", k)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", k)
	}
	if want := 8; strings.Count(out.String(), k.Verifier()) != want {
		t.Errorf("the verifier is printed other than %d times:\n%s", want, &out)
	}
	seed := k.private.Seed()
	for _, secret := range []string{k.Secret(), fmt.Sprintf("%x", seed), fmt.Sprint(seed), string(seed), "PRIVATE"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed", secret)
		}
	}
}
