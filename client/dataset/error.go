package dataset

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error says where a file of records is wrong. Line counts from 1 and is 0 when the
// whole file is meant; Column is a name and empty when a whole line is meant.
type Error struct {
	File   string
	Line   int
	Column string
	Reason string // may quote a cell: not for anyone outside the hospital
}

// Error returns FILE:LINE: column NAME: REASON.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column != "" {
		b.WriteString(": column " + e.Column)
	}
	return b.String() + ": " + e.Reason
}

// quote returns a cell for an error, cut to maxQuoted bytes at a character.
func quote(cell string) string {
	if len(cell) <= maxQuoted {
		return fmt.Sprintf("%q", cell)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(cell[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", cell[:cut])
}
