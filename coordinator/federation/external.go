package federation

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Declared is a tensor of an External model. Of one that is not trained (Local.Trained)
// the values are in the base that every hospital has, and in no snapshot.
type Declared struct {
	Name   string  `json:"name"`             // 1 to MaxName of a-z, 0-9 and ._-
	Shape  []int   `json:"shape"`            // 1 to MaxShape dimensions
	Value  float64 `json:"value,omitempty"`  // of each parameter before any training
	Spread float64 `json:"spread,omitempty"` // and what is drawn from ±spread, by the plan's digest, is added
}

func (m Model) declared() []Tensor {
	list := make([]Tensor, len(m.Declared))
	for i, d := range m.Declared {
		list[i] = Tensor{d.Name, slices.Clone(d.Shape)}
	}
	return list
}

func (m Model) validateExternal() error {
	switch {
	case len(m.Hidden) > 0:
		return bad("model.hidden", "kind %s declares its tensors in tensors", m.Kind)
	case len(m.Declared) == 0 || len(m.Declared) > MaxDeclared:
		return bad("model.tensors", "%d tensors: want 1 to %d", len(m.Declared), MaxDeclared)
	case m.Base != "" && !validHash(m.Base):
		return bad("model.base", "%.80q: want a SHA-256 of 64 digits 0-9 and a-f", m.Base)
	}
	if err := m.validateEnds(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, d := range m.Declared {
		key := fmt.Sprintf("model.tensors[%d]", i)
		if err := d.validate(key); err != nil {
			return err
		}
		if seen[d.Name] {
			return bad(key+".name", "%q appears twice", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

func validHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(Digest{}) && strings.ToLower(s) == s
}

func (d Declared) validate(key string) error {
	switch {
	case len(d.Name) < 1 || len(d.Name) > MaxName || d.Name == "__metadata__" || strings.Trim(d.Name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "":
		return bad(key+".name", "%.80q: want 1 to %d of a-z, 0-9 and ._-", d.Name, MaxName)
	case len(d.Shape) < 1 || len(d.Shape) > MaxShape:
		return bad(key+".shape", "%d dimensions: want 1 to %d", len(d.Shape), MaxShape)
	case !finite(d.Value) || d.Value > 1e6 || d.Value < -1e6:
		return bad(key+".value", "%v: want -1e6 to 1e6", d.Value)
	case !(d.Spread >= 0) || d.Spread > 1e6:
		return bad(key+".spread", "%v: want 0 to 1e6", d.Spread)
	}
	size := 1
	for _, n := range d.Shape {
		if n < 1 || n > MaxDeclaredSize/size {
			return bad(key+".shape", "%v: want dimensions of 1 or more, and at most %d values", d.Shape, MaxDeclaredSize)
		}
		size *= n
	}
	return nil
}
