package federation

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var updateGolden = flag.Bool("update", false, "write the golden values in testdata anew")

func TestDecodeIsCanonical(t *testing.T) {
	good := string(Encode(TreeHead{Size: 3, Root: Sum(nil)}))
	if _, err := Decode[TreeHead]([]byte(good), 1000); err != nil {
		t.Fatal(err)
	}
	root := Sum(nil).String()
	for name, b := range map[string]string{
		"unknown field":      strings.Replace(good, "{", `{"extra":1,`, 1),
		"duplicate key":      strings.Replace(good, "{", `{"size":3,`, 1),
		"missing field":      `{"size":3}`,
		"other order":        `{"root":"` + root + `","size":3}`,
		"space":              strings.Replace(good, ":", ": ", 1),
		"newline at the end": good + "\n",
		"trailing value":     good + "{}",
		"other case":         strings.Replace(good, "size", "Size", 1),
		"escaped key":        strings.Replace(good, "size", `\u0073ize`, 1),
		"float":              strings.Replace(good, "3", "3.0", 1),
		"exponent":           strings.Replace(good, "3", "3e0", 1),
		"upper-case digest":  strings.Replace(good, root, strings.ToUpper(root), 1),
		"short digest":       strings.Replace(good, root, root[2:], 1),
		"null":               "null",
		"empty":              "",
		"list":               "[]",
	} {
		if v, err := Decode[TreeHead]([]byte(b), 1000); err == nil || v != (TreeHead{}) {
			t.Errorf("%s: %s decodes to %v", name, b, v)
		}
	}
	if _, err := Decode[TreeHead]([]byte(good), len(good)-1); err == nil {
		t.Error("bytes above the limit decode")
	}
	if _, err := Decode[Label]([]byte("{\"name\":\"a\xffb\"}"), 100); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("invalid UTF-8: %v", err)
	}
	if _, err := Decode[Label]([]byte(`{"name":"<"}`), 100); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("a character that is escaped: %v", err)
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 30, 0, 123456789, time.FixedZone("", 3600))
	if s := FormatTime(now); s != "2026-03-01T08:30:00.123Z" {
		t.Errorf("FormatTime: %s", s)
	}
	for _, s := range []string{"", "2026-03-01", "2026-03-01T08:30:00Z", "2026-03-01T08:30:00.1230Z", "2026-02-30T08:30:00.123Z", "2026-03-01t08:30:00.123Z", "2026-03-01T08:30:00,123Z"} {
		if _, err := ParseTime(s); err == nil {
			t.Errorf("%q is a time", s)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "a-1": true, "": false, "-a": false, "a-": false, "A": false, "a b": false, "ä": false,
		strings.Repeat("a", MaxName): true, strings.Repeat("a", MaxName+1): false} {
		if ValidName(name) != want {
			t.Errorf("ValidName(%q) = %v", name, !want)
		}
	}
	key := testMembers(1)[0].IdentityKey
	a, b := NewHospitalID("one", key), NewHospitalID("two", key)
	if !a.Valid() || !b.Valid() || a == b {
		t.Errorf("pseudonyms %s and %s", a, b)
	}
	for _, id := range []HospitalID{"", "h-", "h-aaaaaaaaaaaaaaa", "h-aaaaaaaaaaaaaaaaa", "h-aaaaaaaaaaaaaaa1", "H-aaaaaaaaaaaaaaaa", "x-aaaaaaaaaaaaaaaa"} {
		if id.Valid() {
			t.Errorf("%q is valid", id)
		}
	}
}

// TestGolden pins canonical bytes and digests: a change here is a new format version.
func TestGolden(t *testing.T) {
	c, p := testCharter(t, 4), testPlan()
	m := testManifest(t, c, testHeader(c, p, Train).Digest())
	digests := ""
	for _, v := range []struct {
		name   string
		bytes  []byte
		digest Digest
	}{
		{"charter", Encode(c), c.Digest()}, {"plan", Encode(p), p.Digest()},
		{"header", Encode(testHeader(c, p, Train)), testHeader(c, p, Train).Digest()},
		{"manifest", Encode(m.Manifest), m.Manifest.Digest()},
		{"candidate", Encode(testCandidate(m)), testCandidate(m).Digest()},
		{"submission", Encode(testSubmission(c, m)), testSubmission(c, m).UpdateRoot()},
	} {
		digests += fmt.Sprintf("%s %s\n", v.name, v.digest)
		golden(t, v.name+".json", v.bytes)
	}
	digests += fmt.Sprintf("public-seed %s\n", Digest(PublicSeed(Sum([]byte("manifest")), 2)))
	digests += fmt.Sprintf("set %s\n", SetDigest(testCandidate(m).Set()))
	golden(t, "digests.txt", []byte(digests))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
	}
}

// TestListRoot: kind, length and order are all part of it.
func TestListRoot(t *testing.T) {
	a, b := Sum([]byte("a")), Sum([]byte("b"))
	seen := map[Digest]string{}
	for name, root := range map[string]Digest{
		"empty": ListRoot("k", nil), "a": ListRoot("k", []Digest{a}), "ab": ListRoot("k", []Digest{a, b}),
		"ba": ListRoot("k", []Digest{b, a}), "other kind": ListRoot("l", []Digest{a}), "aa": ListRoot("k", []Digest{a, a}),
	} {
		if other, ok := seen[root]; ok {
			t.Errorf("%s and %s have one root", name, other)
		}
		seen[root] = name
	}
}
