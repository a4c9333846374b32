package storagetest

import (
	"errors"
	"testing"

	"atrium/storage"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) storage.Bucket { return NewMemory() })
}

func TestFaultyWithoutFault(t *testing.T) {
	Run(t, func(*testing.T) storage.Bucket { return NewFaulty(NewMemory(), Fault{}) })
}

func TestFaultyHitsOneWrite(t *testing.T) {
	for _, fault := range Faults(3) {
		t.Run(fault.String(), func(t *testing.T) {
			memory := NewMemory()
			b := NewFaulty(memory, fault)
			for i, name := range []string{"a", "b", "c"} {
				err := b.PutIfAbsent(t.Context(), name, nil)
				_, stat := memory.Stat(t.Context(), name)
				stored := stat == nil
				switch hit := i + 1; {
				case hit == fault.At:
					if !errors.Is(err, ErrInjected) || stored != fault.Stored {
						t.Errorf("faulty write of %s: %v, stored %t", name, err, stored)
					}
				case hit > fault.At && fault.Dies:
					if !errors.Is(err, ErrDead) || stored {
						t.Errorf("write of %s after death: %v, stored %t", name, err, stored)
					}
				case err != nil || !stored:
					t.Errorf("write of %s: %v, stored %t", name, err, stored)
				}
			}
			if _, err := b.List(t.Context(), ""); errors.Is(err, ErrDead) != fault.Dies {
				t.Errorf("list afterwards: %v", err)
			}
		})
	}
}
