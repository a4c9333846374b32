package opening

import (
	"strings"

	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// Sketch is what the charter's guard knows a version by: of its parameters alone, as the
// digest of its parameters is. nil where the charter has no guard.
func Sketch(c federation.Charter, s models.Snapshot) *federation.Sketch {
	if c.Guard == 0 {
		return nil
	}
	k := federation.NewSketcher(c.Federation)
	for _, t := range s.Tensors {
		if strings.HasPrefix(t.Name, models.ModelFolder) {
			k.Add(t.F32)
		}
	}
	sketch := k.Sketch()
	return &sketch
}
