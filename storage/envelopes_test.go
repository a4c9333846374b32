package storage

import (
	"errors"
	"strings"
	"testing"
)

func TestEnvelopesAndCardNames(t *testing.T) {
	name, err := Envelopes([32]byte{0xab}, "h-abc")
	if err != nil || name != "envelopes/ab"+strings.Repeat("00", 31)+"/h-abc" {
		t.Errorf("envelopes: %q, %v", name, err)
	}
	if err := CheckName(name); err != nil {
		t.Error(err)
	}
	for _, hospital := range []string{"", "a/b", ".hidden", "Upper"} {
		if _, err := Envelopes([32]byte{}, hospital); !errors.Is(err, ErrName) {
			t.Errorf("hospital %q: %v", hospital, err)
		}
	}
	if got := Card(41); got != "versions/000000000041" {
		t.Errorf("card: %q", got)
	}
}
