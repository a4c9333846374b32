// Package dataset reads a hospital's records, checks them against a plan's schema
// contract and says in numbers what it found; it also generates cohorts for
// demonstrations and tests.
//
// It does not normalise, train, score or send anything. Its Error and its Quality are
// for the hospital's own eyes: an Error may quote a cell.
//
// Files are CSV as in RFC 4180 with a header line, as encoding/csv reads it; a UTF-8
// byte order mark and CRLF are accepted, blank lines are skipped, and spaces around a
// cell do not count. Columns are found by name in any order; others are ignored.
//
// Arrays, such as waveforms and images, are NPY files as numpy.save writes them (NEP 1).
//
// The daemon calls Read with a plan that it has validated. Tables are not changed
// after Read and are safe to share between goroutines; functions keep no state.
package dataset
