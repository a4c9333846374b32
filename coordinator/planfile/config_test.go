package planfile

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var configKeys = []string{"coordinator.listen", "coordinator.state", "hospital.data.dir", "hospital.data.label", "log.level", "peers", "quiet"}

func TestReadConfig(t *testing.T) {
	got, err := ReadConfig("atrium.yaml", []byte(`
coordinator:
  listen: 127.0.0.1:7000
  state: "/var/lib/atrium"
hospital.data:
  dir: 1e3
hospital:
  data:
    label: 12
log:
  # level: debug
peers: [a, 'b', 3, true]
quiet: false
`), configKeys)
	want := map[string]any{
		"coordinator.listen": "127.0.0.1:7000", "coordinator.state": "/var/lib/atrium",
		"hospital.data.dir": 1000.0, "hospital.data.label": 12,
		"peers": []any{"a", "b", 3, true}, "quiet": false,
	}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("error %v, values (-want +got):\n%s", err, cmp.Diff(want, got))
	}
	for _, empty := range []string{"", "# nothing\n", "{}\n", "---\n"} {
		if got, err := ReadConfig("atrium.yaml", []byte(empty), configKeys); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, error %v", empty, got, err)
		}
	}
}

func TestReadConfigErrors(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"unknown":         {"quite: true\n", `c.yaml:1:1: quite: unknown key: did you mean "quiet"?`},
		"unknown nested":  {"coordinator:\n  lisen: x\n", `c.yaml:2:3: coordinator.lisen: unknown key: did you mean "coordinator.listen"?`},
		"unknown section": {"coordinater:\n  listen: x\n", `c.yaml:1:1: coordinater: unknown key: want one of coordinator.listen, coordinator.state, hospital.data.dir, hospital.data.label, log.level, peers, quiet`},
		"case":            {"Quiet: true\n", `c.yaml:1:1: Quiet: unknown key: did you mean "quiet"?`},
		"no value":        {"quiet:\n", `c.yaml:1:1: quiet: nothing: want a value`},
		"mapping":         {"quiet: {a: 1}\n", `c.yaml:1:8: quiet: a mapping: want a value`},
		"section":         {"coordinator: x\n", `c.yaml:1:14: coordinator: text: want a mapping of keys`},
		"two spellings":   {"log.level: a\nlog: {level: b}\n", `c.yaml:2:7: log.level: key appears twice`},
		"key twice":       {"quiet: true\nquiet: true\n", `c.yaml:2:1: quiet: key appears twice, first in line 1`},
		"list in list":    {"peers: [a, [b]]\n", `c.yaml:1:12: peers: a list inside a list`},
		"list":            {"- quiet\n", `c.yaml:1:1: a list: want a mapping of keys`},
		"out of range":    {"peers: 1e400\n", `c.yaml:1:8: peers: 1e400: number out of range`},
		"two errors":      {"quiet: true\nb: 1\npers: 1\n", "c.yaml:2:1: b: unknown key: want one of coordinator.listen, coordinator.state, hospital.data.dir, hospital.data.label, log.level, peers, quiet\nc.yaml:3:1: pers: unknown key: did you mean \"peers\"?"},
	} {
		got, err := ReadConfig("c.yaml", []byte(c.file), configKeys)
		if err == nil || got != nil {
			t.Errorf("%s: values %v, error %v", name, got, err)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add([]byte("coordinator:\n  listen: x\nquiet: true\npeers: [1, 2.5, a]\n"))
	f.Add([]byte("log.level: a\nlog: {level: b}\n"))
	f.Add([]byte("peers:\n- a\n- \"b\\n\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadConfig("f", b, configKeys)
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("error %v is not typed", err)
		}
		for key := range got {
			found := false
			for _, k := range configKeys {
				found = found || k == key
			}
			if !found {
				t.Errorf("unknown key %q passed", key)
			}
		}
	})
}
