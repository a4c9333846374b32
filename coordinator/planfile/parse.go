package planfile

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse returns the file's one document; kind null for a file without any.
func parse(file string, b []byte) (*node, error) {
	r := &report{file: file}
	if len(b) > MaxFileBytes {
		r.add(place{1, 1}, "", "file of %d bytes: at most %d allowed", len(b), MaxFileBytes)
		return nil, r.err()
	}
	source := strings.TrimPrefix(string(b), "\ufeff")
	if !utf8.ValidString(source) {
		r.add(invalidAt(source), "", "character is not UTF-8")
		return nil, r.err()
	}
	f := r.parse(source)
	if f == nil {
		return nil, r.err()
	}
	out := &node{place: place{1, 1}}
	found := false
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if found {
			r.add(start(doc.Body), "", "second document: want one")
			break
		}
		found = true
		out = builder{r}.node(doc.Body, "", 1)
	}
	return out, r.err()
}

// parse runs the YAML library, whose panics on a file of unknown origin are errors of
// the file.
func (r *report) parse(source string) (f *ast.File) {
	defer func() {
		if recover() != nil {
			f = nil
			r.add(place{1, 1}, "", "no YAML that this program can read")
		}
	}()
	tokens := lexer.Tokenize(source)
	if !r.screen(tokens) {
		return nil
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return f
	}
	at, message := place{1, 1}, err.Error()
	if syntax := (*yaml.SyntaxError)(nil); errors.As(err, &syntax) {
		at, message = placeOf(syntax.Token), syntax.Message
	}
	r.add(at, "", "%s", message)
	return nil
}

// screen refuses, before the parser recurses or resolves anything, tokens that no
// strict file has and nesting that can be had for a byte a level. Nesting by
// indentation costs a column a level and is left to the builder.
func (r *report) screen(tokens token.Tokens) bool {
	flow, line, entries := 0, 0, 0
	for _, t := range tokens {
		at := placeOf(t)
		if at.line != line {
			line, entries = at.line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType:
			r.add(at, "", "anchors and aliases are not allowed")
			return false
		case token.TagType, token.DirectiveType, token.MergeKeyType:
			r.add(at, "", "%s: tags, directives and merge keys are not allowed", quote(t.Value))
			return false
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			entries++
		}
		if flow > MaxDepth || entries > MaxDepth {
			r.add(at, "", "nested more than %d deep", MaxDepth)
			return false
		}
	}
	return true
}

// invalidAt is the place of the first byte that is not UTF-8.
func invalidAt(s string) place {
	at := place{1, 1}
	for i, c := range s {
		if _, size := utf8.DecodeRuneInString(s[i:]); c == utf8.RuneError && size == 1 {
			break
		}
		at.column++
		if c == '\n' {
			at = place{at.line + 1, 1}
		}
	}
	return at
}
