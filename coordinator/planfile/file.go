package planfile

import "reflect"

// Decode reads a strict YAML file into the struct that v points to, by its JSON keys. at
// makes an error about a key of the file that was read, with its place. The error is an
// *Error or several joined, one a line. An empty file changes nothing.
func Decode(file string, b []byte, v any) (at func(key, reason string) error, err error) {
	root, err := parse(file, b)
	if err != nil {
		return nil, err
	}
	d := decoder{&report{file: file}, make(map[string]place)}
	at = func(key, reason string) error {
		place := d.find(key)
		return &Error{File: file, Line: place.line, Column: place.column, Key: key, Reason: reason}
	}
	if root.kind == null {
		d.places[""] = root.place
		return at, nil
	}
	d.value(root, "", reflect.ValueOf(v).Elem())
	return at, d.err()
}
