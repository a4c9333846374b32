package planfile

import (
	"errors"
	"strings"
	"testing"
)

// TestRefusedFiles: what every file of this package is held to, with the place of the
// first error.
func TestRefusedFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"open list":        {"a: 1\nb: [1, 2\n", "f.yaml:2:4: sequence end token ']' not found"},
		"tab":              {"a:\n\tb: 1\n", "f.yaml:2:1: found character '\t' that cannot start any token"},
		"open quote":       {"a: 1\nb: \"x\n", "f.yaml:2:4: could not find end character of double-quoted text"},
		"colon twice":      {"a: b: c\n", "f.yaml:1:4: mapping value is not allowed in this context"},
		"key twice":        {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: key appears twice, first in line 1"},
		"nested key twice": {"a:\n  x: {p: 1,\n      p: 2}\n", "f.yaml:3:7: a.x.p: key appears twice, first in line 2"},
		"anchor":           {"a: &x 1\nb: 2\n", "f.yaml:1:4: anchors and aliases are not allowed"},
		"alias":            {"a: 1\nb: *x\n", "f.yaml:2:4: anchors and aliases are not allowed"},
		"tag":              {"a: !!str 1\n", `f.yaml:1:4: "!!str": tags, directives and merge keys are not allowed`},
		"directive":        {"%YAML 1.1\n---\na: 1\n", `f.yaml:1:1: "%": tags, directives and merge keys are not allowed`},
		"merge":            {"a: 1\n<<: {b: 1}\n", `f.yaml:2:1: "<<": tags, directives and merge keys are not allowed`},
		"two documents":    {"a: 1\n---\nb: 2\n", "f.yaml:3:1: second document: want one"},
		"number as key":    {"a: 1\n2: 3\n", `f.yaml:2:1: key "2": want a word`},
		"list as key":      {"? [a]\n: 1\n", ""},
		"deep brackets":    {"a: " + strings.Repeat("[", 100_000), "f.yaml:1:20: nested more than 16 deep"},
		"deep braces":      {strings.Repeat("{a: ", 1000), "f.yaml:1:65: nested more than 16 deep"},
		"deep dashes":      {strings.Repeat("- ", 100_000), "f.yaml:1:33: nested more than 16 deep"},
		"deep indentation": {indented(400), "f.yaml:17:17: a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: nested more than 16 deep"},
		"not UTF-8":        {"a: 1\nb: é\xff\n", "f.yaml:2:5: character is not UTF-8"},
		"too long":         {strings.Repeat("#", MaxFileBytes+1), "f.yaml:1:1: file of 1048577 bytes: at most 1048576 allowed"},
	} {
		_, err := parse("f.yaml", []byte(c.file))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if first, _, _ := strings.Cut(err.Error(), "\n"); !strings.HasPrefix(first, c.want) {
			t.Errorf("%s: error\n\t%s\nwant\n\t%s", name, first, c.want)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || e.File != "f.yaml" || e.Line < 1 || e.Column < 1 {
			t.Errorf("%s: error %#v is not typed", name, err)
		}
	}
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestScalars(t *testing.T) {
	for in, want := range map[string]node{
		"1":        {kind: number, text: "1"},
		"-0.5e-3":  {kind: number, text: "-0.5e-3"},
		"1e5":      {kind: number, text: "1e5"},
		`"1"`:      {kind: text, text: "1"},
		"'it''s'":  {kind: text, text: "it's"},
		"1/min":    {kind: text, text: "1/min"},
		"0x10":     {kind: text, text: "0x10"},
		"010":      {kind: text, text: "010"},
		"1_000":    {kind: text, text: "1_000"},
		".inf":     {kind: text, text: ".inf"},
		".5":       {kind: text, text: ".5"},
		"+1":       {kind: text, text: "+1"},
		"true":     {kind: boolean, text: "true"},
		"yes":      {kind: text, text: "yes"},
		"null":     {kind: null, text: "null"},
		"~":        {kind: null, text: "~"},
		"":         {kind: null, text: "null"},
		"two word": {kind: text, text: "two word"},
		`"\u00e9"`: {kind: text, text: "é"},
		"|\n  b\n": {kind: text, text: "b\n"},
	} {
		root, err := parse("f", []byte("a: "+in+"\n"))
		if err != nil || len(root.members) != 1 {
			t.Errorf("%q: error %v", in, err)
			continue
		}
		if got := root.members[0].value; got.kind != want.kind || got.text != want.text {
			t.Errorf("%q: %v %q, want %v %q", in, got.kind, got.text, want.kind, want.text)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	root, err := parse("f", []byte("\ufeffa: 1\n"))
	if err != nil || len(root.members) != 1 || root.members[0].name != "a" || root.members[0].place != (place{1, 1}) {
		t.Errorf("%+v, error %v", root, err)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"lerning", "learning", 1}, {"ca", "abc", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := editDistance(c.b, c.a); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
