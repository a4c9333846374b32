package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors orders the packages: each may import only packages with a smaller number.
// Below 10 is floor 0: pure, the standard library and gonum only.
var floors = map[string]int{
	"privacy/secrecy": -1,

	"aggregation":            0,
	"aggregation/fixedpoint": 0,
	"aggregation/robust":     0,
	"privacy/shamir":         0,
	"coordinator/federation": 1,
	"coordinator/round":      2,
	"client/participant":     2,

	"privacy/envelope":     10,
	"privacy/he":           10,
	"storage":              10,
	"coordinator/atriumpb": 10,
	"coordinator/planfile": 10,
	"coordinator/wire":     11,
	"cmd/atrium/plans":     11,
	"storage/roundlog":     11,
	"storage/models":       11,
	"storage/transfer":     12,
	"storage/storagetest":  11,

	"storage/local":       20,
	"storage/minio":       20,
	"coordinator/opening": 20,
	"client/dataset":      20,
	"client/train":        20,
	"client/policy":       20,

	"client/train/external": 21,

	"client/train/external/externaltest": 21,

	"coordinator/simulate": 21,
	"client/evidence":      21,

	"storage/location":        21,
	"storage/minio/miniotest": 21,

	"coordinator":       30,
	"client":            30,
	"client/audit":      31,
	"coordinator/rpc":   31,
	"coordinator/setup": 32,

	"coordinator/coordinatortest": 33,

	"cmd/atrium": 40,
}

// fences names who alone may import something, and why.
var fences = []struct {
	imports string // prefix of an import path
	allowed []string
	reason  string
}{
	{"github.com/tuneinsight/lattigo", []string{"privacy/he"}, "one package knows the ring, so that every precondition is checked in one place"},
	{"gorgonia.org/", []string{"client/train"}, "one package knows gorgonia and its traps"},
	{"github.com/minio/", []string{"storage/minio", "storage/minio/miniotest"}, "one package knows S3 and its traps"},
	{"atrium/storage/minio/miniotest", nil, "servers for tests only"},
	{"atrium/client/train/external/externaltest", nil, "a trainer for tests only"},
	{"github.com/spf13/viper", []string{"cmd/atrium"}, "configuration is read once, at the top"},
	{"github.com/spf13/cobra", []string{"cmd/atrium"}, "commands are at the top"},
	{"github.com/goccy/go-yaml", []string{"coordinator/planfile"}, "one strict YAML reader, so that every file gets errors with line and column"},
	{"google.golang.org/grpc", []string{"coordinator/rpc", "coordinator/atriumpb", "coordinator/wire", "client"}, "only the two shells know the wire"},
	{"crypto/hpke", []string{"privacy/envelope"}, "one package knows how a share is sealed"},
	{"atrium/coordinator/rpc", []string{"cmd/atrium"}, "the server is assembled at the top"},
	{"atrium/coordinator/setup", []string{"cmd/atrium"}, "making a federation is a command's business"},
	{"atrium/client/train", []string{"client", "client/train/external", "cmd/atrium"}, "training happens in a hospital; coordinator and auditor never load it"},
	{"atrium/client/dataset", []string{"client", "cmd/atrium"}, "records are read in a hospital only"},
	{"log/slog", []string{"privacy/envelope", "privacy/he", "storage/roundlog", "storage/minio", "coordinator", "coordinator/rpc", "client", "cmd/atrium"},
		"cores do not log; secret types print a fingerprint"},
	{"math/rand", []string{"client", "client/dataset", "client/train", "storage/models", "coordinator/simulate"},
		"seeded generators only where repeatable numbers are wanted, never for secrets"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestImportFences(t *testing.T) {
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, "atrium/")
		floor, ok := floors[name]
		if !ok {
			t.Errorf("package %s has no floor: design §3 gives every package one", name)
			continue
		}
		for _, imported := range p.Imports {
			if own, is := strings.CutPrefix(imported, "atrium/"); is && floors[own] >= floor {
				t.Errorf("%s imports %s: a package stands above all that it imports", name, own)
			}
			if floor < 10 && strings.Contains(imported, ".") && !strings.HasPrefix(imported, "gonum.org/") {
				t.Errorf("%s imports %s: floor 0 compiles with the standard library and gonum only", name, imported)
			}
			if floor < 10 && slices.Contains([]string{"os", "net", "net/http", "log", "log/slog", "context", "time"}, imported) && !(imported == "time" && name != "aggregation") {
				t.Errorf("%s imports %s: floor 0 is pure, without I/O, clock, goroutine or logger", name, imported)
			}
			for _, f := range fences {
				if strings.HasPrefix(imported, f.imports) && !slices.Contains(f.allowed, name) {
					t.Errorf("%s imports %s: %s", name, imported, f.reason)
				}
			}
		}
	}
}

func goList(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "atrium/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < len(floors) {
		t.Errorf("go list names %d packages, %d have a floor", len(list), len(floors))
	}
	return list
}
