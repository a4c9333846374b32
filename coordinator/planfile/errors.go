package planfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Error is one thing wrong with a file. The functions of this package return one, or
// several joined in the order of the file.
type Error struct {
	File         string
	Line, Column int    // of the value or key, from 1
	Key          string // such as "features[3].min"; empty for a syntax error
	Reason       string
	Err          error // the *federation.PlanError behind it, or nil
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Key, e.Reason)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// report collects what is wrong with one file, up to one error more than are shown.
type report struct {
	file string
	list []*Error
}

// full reports that nothing more needs to be looked for.
func (r *report) full() bool { return len(r.list) > maxErrors }

func (r *report) add(at place, key, format string, args ...any) {
	if r.full() {
		return
	}
	r.list = append(r.list, &Error{File: r.file, Line: at.line, Column: at.column, Key: key, Reason: fmt.Sprintf(format, args...)})
}

// err returns nil, the one error, or the first maxErrors joined.
func (r *report) err() error {
	slices.SortStableFunc(r.list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(r.list) == 1 {
		return r.list[0]
	}
	var list []error
	for i, e := range r.list {
		if i == maxErrors {
			list = append(list, fmt.Errorf("%s: more errors", r.file))
			break
		}
		list = append(list, e)
	}
	return errors.Join(list...)
}

// short repeats a word of the file in an error.
func short(s string) string {
	if len(s) > maxQuoted {
		return s[:maxQuoted] + "…"
	}
	return s
}

// quote repeats text of the file in an error.
func quote(s string) string { return fmt.Sprintf("%q", short(s)) }
