package planfile

import (
	"reflect"
)

// Read reads a file of YAML into a struct by its JSON keys; keys left out keep the values
// of defaults. check judges the result: its errors are *federation.PlanError, joined or
// alone, whose keys get their places in the file. The error is an *Error or several
// joined, one a line. T has structs, lists, strings, int, float64 and bool.
func Read[T any](file string, b []byte, defaults T, check func(T) error) (T, error) {
	root, err := parse(file, b)
	if err != nil {
		return defaults, err
	}
	r := &report{file: file}
	d := decoder{r, make(map[string]place)}
	if root.kind == null {
		d.add(root.place, "", "nothing in the file")
		return defaults, d.err()
	}
	out := defaults
	d.value(root, "", reflect.ValueOf(&out).Elem())
	if len(r.list) == 0 {
		for _, e := range planErrors(check(out)) {
			d.add(d.find(e.Key), e.Key, "%s", e.Reason)
			r.list[len(r.list)-1].Err = e
		}
	}
	return out, d.err()
}
