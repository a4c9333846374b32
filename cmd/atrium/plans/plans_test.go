package plans

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"atrium/coordinator/planfile"
)

var update = flag.Bool("update", false, "write the plans anew, with every key")

// TestPlansExplainEveryKey: each file is the plan of its name as planfile shows it, so that
// whoever starts from it sees every key.
func TestPlansExplainEveryKey(t *testing.T) {
	names := Names()
	if len(names) < 3 {
		t.Fatalf("plans %v", names)
	}
	for _, name := range names {
		b, _ := File(name)
		p, err := planfile.ParsePlan(name+".yaml", b)
		if err != nil {
			t.Fatal(err)
		}
		want := planfile.WritePlan(p)
		if *update {
			if err := os.WriteFile(name+".yaml", want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if p.Name != name || !bytes.Equal(b, want) {
			t.Errorf("%s.yaml is not how plan %s is written: go test ./cmd/atrium/plans -update", name, p.Name)
		}
	}
}

func TestNoSuchPlan(t *testing.T) {
	if b, ok := File("astrology"); ok || b != nil {
		t.Errorf("astrology: %s", b)
	}
}
