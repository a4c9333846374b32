package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atrium/client/policy"
	"atrium/coordinator/federation"
)

func TestSecretsOpenToOthersAreRefused(t *testing.T) {
	r := made(t, options(t))
	hospital := r.Hospitals[0].Folder
	load := map[string]func(file string) error{
		filepath.Join(r.Coordinator, "log.key"): func(f string) error { _, err := LoadLogKey(f); return err },
		filepath.Join(hospital, "identity.key"): func(f string) error { _, err := LoadIdentity(f); return err },
		filepath.Join(hospital, "tls.key"): func(f string) error {
			_, err := LoadKeyPair(filepath.Join(hospital, "tls.crt"), f)
			return err
		},
	}
	for file, load := range load {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			err := load(file)
			if !errors.Is(err, ErrMode) || !strings.Contains(err.Error(), "chmod 600 "+file) {
				t.Errorf("%s with mode %o: got %v", file, mode, err)
			}
		}
		if err := os.Chmod(file, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := load(file); err != nil {
			t.Errorf("%s with mode 0400: %v", file, err)
		}
	}
}

func TestLoadRefusesWrongContent(t *testing.T) {
	r := made(t, options(t))
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tlsKey, err := os.ReadFile(filepath.Join(r.Coordinator, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	junk, ecdsaKey := file("junk", "junk"), file("ecdsa", string(tlsKey))
	for name, load := range map[string]func() error{
		"charter":    func() error { _, err := LoadCharter(junk); return err },
		"signatures": func() error { _, err := LoadCountersignatures(junk, r.Charter); return err },
		"plan":       func() error { _, err := LoadPlan(junk); return err },
		"policy":     func() error { _, err := LoadPolicy(junk); return err },
		"log key":    func() error { _, err := LoadLogKey(junk); return err },
		"identity":   func() error { _, err := LoadIdentity(junk); return err },
		"other key":  func() error { _, err := LoadIdentity(ecdsaKey); return err },
		"pool":       func() error { _, err := LoadPool(junk); return err },
		"pair":       func() error { _, err := LoadKeyPair(junk, junk); return err },
		"another pair": func() error {
			_, err := LoadKeyPair(filepath.Join(r.Hospitals[0].Folder, "tls.crt"), ecdsaKey)
			return err
		},
	} {
		if err := load(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	if _, err := LoadCharter(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent charter: %v", err)
	}
	if _, err := LoadCharter(file("large", strings.Repeat(" ", 5<<20))); !errors.Is(err, ErrFile) {
		t.Errorf("a large charter: %v", err)
	}
}

func TestLoadCountersignaturesOfAnotherCharter(t *testing.T) {
	one, two := made(t, options(t)), made(t, options(t))
	file := filepath.Join(one.Coordinator, "countersignatures.json")
	if _, err := LoadCountersignatures(file, two.Charter); err == nil {
		t.Error("signatures of another charter are taken")
	}
}

func TestParsePolicyErrorsNameTheLine(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"plans: [\"" + digest + "\"]\nmin_cohrt: 3\n":                      `p.yaml:2:1: min_cohrt: unknown key: did you mean "min_cohort"?`,
		"paused: false\nplans: [\"12\"]\n":                                 `p.yaml:2: plans: "12" is no plan digest`,
		"paused: maybe\n":                                                  "p.yaml:1: paused: maybe: want true or false",
		"# rules\nmin_bits: many\n":                                        "p.yaml:2: min_bits: many: want a whole number",
		"peers: [riverside]\n":                                             `p.yaml: policy is invalid: peers: "riverside" is neither a pseudonym nor the fingerprint`,
		"kinds: train\n":                                                   "p.yaml:1: kinds: want a list",
		"kinds: [gossip]\n":                                                `p.yaml: policy is invalid: kinds: "gossip"`,
		"releases: " + digest + "\n":                                       "p.yaml:1: releases: want a list of {plan: DIGEST, manifest: DIGEST}",
		"paused: true\nreleases: [" + digest + "]\n":                       "p.yaml:2:12: releases: text: want a mapping of manifest and plan",
		"releases:\n  - plan: " + digest + "\n":                            "p.yaml:2:5: releases: manifest is missing",
		"releases:\n  - {plan: ab, manifest: " + digest + "}\n":            `p.yaml:1: releases: plan of item 1: "ab" is no digest`,
		"releases:\n  - {plan: " + digest + ", manifest: 12}\n":            "p.yaml:1: releases: manifest of item 1: 12: want text",
		"releases:\n  - {plan: " + digest + ", manifst: " + digest + "}\n": `releases.manifst: unknown key: did you mean "manifest"?`,
		"releases: [{plan: " + digest + ", plan: " + digest + ", manifest: " + digest + "}]\n": "plan",
		"releases: [{plan: " + strings.Repeat("00", 32) + ", manifest: " + digest + "}]\n":     `p.yaml: policy is invalid: releases: of plan 000000000000`,
		"releases: [{plan: " + digest + ", manifest: " + strings.Repeat("00", 32) + "}]\n":     "p.yaml: policy is invalid: releases: of plan abababababab: releases refused",
		"releases[].plan: " + digest + "\n":                                                    "unknown key",
		"min_cohort: 1\nplans:\n  - 12\nmin_bits: 2.5\n":                                       "p.yaml:2: plans: 12: want text",
	} {
		_, err := parsePolicy("p.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	p, err := parsePolicy("p.yaml", []byte("releases: [{plan: "+digest+", manifest: "+digest+"}]\n"))
	if want := []policy.Release{{Plan: mustParse(t, digest), Manifest: mustParse(t, digest)}}; err != nil || !slices.Equal(p.Releases, want) {
		t.Errorf("releases %v, %v", p.Releases, err)
	}
	p, err = parsePolicy("p.yaml", nil)
	if err != nil || p.Plans != nil || p.Kinds != nil {
		t.Errorf("an empty policy allows %+v, %v", p, err)
	}
}

func mustParse(t *testing.T, text string) federation.Digest {
	t.Helper()
	d, err := federation.ParseDigest(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
