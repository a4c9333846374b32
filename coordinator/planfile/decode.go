package planfile

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"atrium/coordinator/federation"
)

// decoder fills a struct from nodes by its JSON keys, and remembers where each key is.
type decoder struct {
	*report
	places map[string]place // of the value of each key in the file
}

// elementDefaults are the values of keys left out in an element of a list;
// elementRequired are the keys that must not be left out.
var (
	elementDefaults = map[reflect.Type]any{
		reflect.TypeFor[federation.Feature](): federation.Feature{Missing: federation.MissingMean},
	}
	elementRequired = map[reflect.Type][]string{
		reflect.TypeFor[federation.Feature]():  {"name", "min", "max"},
		reflect.TypeFor[federation.Declared](): {"name", "shape"},
	}
)

func (d decoder) value(n *node, key string, v reflect.Value) {
	d.places[key] = n.place
	want := map[reflect.Kind]kind{reflect.Struct: mapping, reflect.Slice: list, reflect.String: text,
		reflect.Int: number, reflect.Float64: number, reflect.Bool: boolean}[v.Kind()]
	if want == null {
		panic(fmt.Sprintf("planfile: %s has type %s", key, v.Type()))
	}
	if n.kind != want {
		d.wrongType(n, key, want)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, key, v)
	case reflect.Slice:
		d.list(n, key, v)
	case reflect.String:
		v.SetString(n.text)
	case reflect.Bool:
		v.SetBool(n.text == "true")
	case reflect.Int:
		i, err := strconv.Atoi(n.text)
		if err != nil {
			d.add(n.place, key, "%s: want a whole number", short(n.text))
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		x, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			d.add(n.place, key, "%s: number out of range", short(n.text))
		}
		v.SetFloat(x)
	}
}

// wrongType says what the value is and how to write what is wanted.
func (d decoder) wrongType(n *node, key string, want kind) {
	is := n.kind.String()
	switch n.kind {
	case text, number, boolean:
		is = quote(n.text)
		if n.kind == text && want == number {
			or := ""
			if key == "privacy."+keyClip {
				or = " or " + autoWord
			}
			d.add(n.place, key, "%s: want a decimal number%s", is, or)
			return
		}
		if want == text {
			d.add(n.place, key, "%s is %s: want text; write it in quotes", short(n.text), n.kind)
			return
		}
	}
	d.add(n.place, key, "%s: want %s", is, want)
}

func (d decoder) mapping(n *node, key string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	given := make(map[string]bool, len(n.members))
	for _, m := range n.members {
		if d.full() {
			return
		}
		given[m.name] = true
		path := join(key, m.name)
		i := indexOf(fields, m.name)
		if i < 0 {
			d.add(m.place, path, "%s", unknown(m.name, fields))
			continue
		}
		d.value(m.value, path, v.Field(i))
	}
	for _, name := range elementRequired[v.Type()] {
		if !given[name] {
			d.add(n.place, key, "key %s is missing", name)
		}
	}
}

func (d decoder) list(n *node, key string, v reflect.Value) {
	if len(n.items) == 0 {
		v.SetZero()
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		if d.full() {
			return
		}
		if def, ok := elementDefaults[v.Type().Elem()]; ok {
			v.Index(i).Set(reflect.ValueOf(def))
		}
		d.value(item, fmt.Sprintf("%s[%d]", key, i), v.Index(i))
	}
}

// fieldsOf lists the JSON keys of a struct, in order of its fields.
func fieldsOf(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// find returns the place of a key, or of the nearest key above it that is in the file.
func (d decoder) find(key string) place {
	for {
		if at, ok := d.places[key]; ok {
			return at
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			return d.places[""]
		}
		key = key[:i]
	}
}
