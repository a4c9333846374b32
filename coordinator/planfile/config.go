package planfile

import (
	"slices"
	"strconv"
	"strings"
)

// ReadConfig reads a configuration file into dotted keys: "coordinator.listen" is the
// key listen in the mapping coordinator, or that dotted word itself. Values are string,
// bool, int, float64, or []any of these, or, where known has a key such as "hosts[].name", of
// map[string]any with exactly the keys after the dot. known lists every key there is; any other
// is an error with its place and the nearest known one. An empty file has no keys.
//
// The error is an *Error or several joined, one a line.
func ReadConfig(file string, b []byte, known []string) (map[string]any, error) {
	root, err := parse(file, b)
	if err != nil {
		return nil, err
	}
	c := config{&report{file: file}, nil, make(map[string][]string), make(map[string]any)}
	for _, k := range slices.Sorted(slices.Values(known)) {
		key, field, ok := strings.Cut(k, "[].")
		if ok {
			c.fields[key] = append(c.fields[key], field)
		}
		if !slices.Contains(c.known, key) {
			c.known = append(c.known, key)
		}
	}
	slices.Sort(c.known)
	switch root.kind {
	case mapping:
		c.section(root, "")
	case null:
	default:
		c.add(root.place, "", "%s: want a mapping of keys", root.kind)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.values, nil
}

type config struct {
	*report
	known  []string
	fields map[string][]string // that each item of a list has
	values map[string]any
}

func (c config) section(n *node, prefix string) {
	for _, m := range n.members {
		if c.full() {
			return
		}
		key := m.name
		if prefix != "" {
			key = prefix + "." + m.name
		}
		_, isKey := slices.BinarySearch(c.known, key)
		isSection := slices.ContainsFunc(c.known, func(k string) bool { return strings.HasPrefix(k, key+".") })
		_, twice := c.values[key]
		switch {
		case isKey && twice:
			c.add(m.place, key, "key appears twice")
		case isKey:
			c.values[key] = c.value(m.value, key)
		case isSection && m.value.kind == mapping:
			c.section(m.value, key)
		case isSection && m.value.kind == null: // all of it is commented out
		case isSection:
			c.add(m.value.place, key, "%s: want a mapping of keys", m.value.kind)
		default:
			c.add(m.place, join(prefix, m.name), "%s", unknown(key, c.known))
		}
	}
}

func (c config) value(n *node, key string) any {
	switch n.kind {
	case list:
		values := make([]any, 0, len(n.items))
		for _, item := range n.items {
			if item.kind == list {
				c.add(item.place, key, "a list inside a list")
				continue
			}
			if fields := c.fields[key]; fields != nil {
				values = append(values, c.item(item, key, fields))
				continue
			}
			values = append(values, c.value(item, key))
		}
		return values
	case text:
		return n.text
	case boolean:
		return n.text == "true"
	case number:
		if i, err := strconv.Atoi(n.text); err == nil {
			return i
		}
		x, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			c.add(n.place, key, "%s: number out of range", short(n.text))
		}
		return x
	}
	c.add(n.place, key, "%s: want a value", n.kind)
	return nil
}

// item is one item of a list of mappings.
func (c config) item(n *node, key string, fields []string) map[string]any {
	values := map[string]any{}
	if n.kind != mapping {
		c.add(n.place, key, "%s: want a mapping of %s", n.kind, strings.Join(fields, " and "))
		return values
	}
	for _, m := range n.members {
		_, twice := values[m.name]
		switch {
		case !slices.Contains(fields, m.name):
			c.add(m.place, join(key, m.name), "%s", unknown(m.name, fields))
		case twice:
			c.add(m.place, join(key, m.name), "key appears twice")
		case m.value.kind == list:
			c.add(m.value.place, join(key, m.name), "a list inside a list")
		default:
			values[m.name] = c.value(m.value, join(key, m.name))
		}
	}
	for _, f := range fields {
		if _, there := values[f]; !there && !c.full() {
			c.add(n.place, key, "%s is missing", f)
		}
	}
	return values
}
