package planfile

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is a position in the file, from 1.
type place struct{ line, column int }

// kind is what a node of the file is.
type kind int

const (
	null kind = iota
	text
	number
	boolean
	list
	mapping
)

func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a mapping"}[k]
}

// node is a value of the file with its place.
type node struct {
	place
	kind    kind
	text    string // of text, number and boolean
	members []member
	items   []*node
}

// member is one key of a mapping.
type member struct {
	place // of the key
	name  string
	value *node
}

// decimal numbers as JSON has them; the other spellings of YAML read differently in
// different programs.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalarKind tells what an unquoted word is.
func scalarKind(word string) kind {
	switch {
	case word == "" || word == "~" || word == "null":
		return null
	case word == "true" || word == "false":
		return boolean
	case decimal.MatchString(word):
		return number
	}
	return text
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// start is where a value begins: a block mapping at its first key, whose token is the
// colon in the library's tree.
func start(n ast.Node) place {
	if n == nil {
		return place{1, 1}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return placeOf(m.Values[0].Key.GetToken())
	}
	return placeOf(n.GetToken())
}

// builder turns the parser's tree into nodes and refuses what a strict file lacks.
type builder struct{ *report }

// node returns nil, and has reported why, for what is not allowed.
func (b builder) node(n ast.Node, key string, depth int) *node {
	at := start(n)
	if depth > MaxDepth {
		b.add(at, key, "nested more than %d deep", MaxDepth)
		return nil
	}
	switch n := n.(type) {
	case nil:
		return &node{place: at}
	case *ast.MappingNode:
		return b.mapping(n, key, depth)
	case *ast.SequenceNode:
		return b.list(n, key, depth)
	case *ast.LiteralNode:
		return &node{place: at, kind: text, text: n.Value.Value}
	case *ast.NullNode, *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		t := n.GetToken()
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			return &node{place: at, kind: text, text: t.Value}
		}
		return &node{place: at, kind: scalarKind(t.Value), text: t.Value}
	}
	b.add(at, key, "%s is not allowed here", n.Type())
	return nil
}

func (b builder) list(n *ast.SequenceNode, key string, depth int) *node {
	out := &node{place: placeOf(n.GetToken()), kind: list}
	for i, v := range n.Values {
		item := b.node(v, fmt.Sprintf("%s[%d]", key, i), depth+1)
		if item != nil {
			out.items = append(out.items, item)
		}
	}
	return out
}

func (b builder) mapping(n *ast.MappingNode, key string, depth int) *node {
	out := &node{place: start(n), kind: mapping}
	seen := make(map[string]place, len(n.Values))
	for _, v := range n.Values {
		t := v.Key.GetToken()
		at, name := placeOf(t), t.Value
		if _, ok := v.Key.(*ast.StringNode); !ok {
			b.add(at, key, "key %s: want a word", quote(name))
			continue
		}
		path := join(key, name)
		if first, twice := seen[name]; twice {
			b.add(at, path, "key appears twice, first in line %d", first.line)
			continue
		}
		seen[name] = at
		value := b.node(v.Value, path, depth+1)
		if value == nil {
			continue
		}
		if value.kind == null {
			value.place = at
		}
		out.members = append(out.members, member{at, name, value})
	}
	return out
}

// join appends a name to a dotted key.
func join(key, name string) string {
	if key == "" {
		return short(name)
	}
	return key + "." + short(name)
}
