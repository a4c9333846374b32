package main

// Everything that this program prints goes through an output or report, by these rules:
//
//   - Results go to standard output, for people as lines, with --json as one object.
//   - Errors go to standard error, each line behind "atrium: ". So do the log lines of
//     a daemon, which slog writes.
//   - Progress goes to standard error too, and only when that is a terminal.
//   - No colour and no control sequence is written to anything but a terminal.
//   - Whatever came from outside (a coordinator, a hospital, a log, a plan, the name of a
//     file) is quoted by quoted: what could move the cursor, colour, hide or turn around
//     text, or begin a line of its own, is shown as an escape. Values are quoted where they
//     are put into a line, and everything once more where it is written.
//   - No secret, no record, and no hospital's name beyond what the charter shows.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"atrium/storage"
)

// quoted shows text with every character that is not printed as itself as an escape: \n,
// \t, \x1b for a byte, \u202e for others, in two halves above \uffff, so that JSON stays
// JSON. Those are control characters, bytes that are no UTF-8, spaces but the common one,
// and characters without a width of their own, bidirectional ones among them. Characters
// of keep stay. A backslash stays too: quoted is for people, and is not undone.
func quoted(text, keep string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case plain(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			for _, half := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, half)
			}
		}
	}
	return b.String()
}

// plain reports whether a character shows as itself, and as nothing else. The replacement
// character is not: it stands for bytes that are no text.
func plain(r rune) bool {
	return strconv.IsPrint(r) && r != utf8.RuneError && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// outside is a value that is quoted when it is formatted, under whatever verb.
type outside struct{ value any }

func (o outside) Format(s fmt.State, verb rune) {
	if err, ok := o.value.(error); ok {
		o.value = strings.ReplaceAll(errorText(err), "\n", "; ")
	}
	io.WriteString(s, quoted(fmt.Sprintf(fmt.FormatString(s, verb), o.value), ""))
}

// fill is Sprintf of a line whose values come from outside.
func fill(format string, args []any) string {
	values := make([]any, len(args))
	for i, v := range args {
		values[i] = outside{v}
	}
	return fmt.Sprintf(format, values...)
}

// quoting is a writer for people.
type quoting struct{ io.Writer }

func (q quoting) Write(b []byte) (int, error) {
	if _, err := io.WriteString(q.Writer, quoted(string(b), "\n\t")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// output is where one command prints. It belongs to one goroutine at a time.
type output struct {
	out, err   io.Writer
	terminal   *os.File // what err writes to, if it is one
	unfinished bool     // whether err's last line is progress
}

func newOutput(cmd *cobra.Command) *output {
	o := &output{out: quoting{cmd.OutOrStdout()}, err: quoting{cmd.ErrOrStderr()}}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.terminal = f
	}
	return o
}

// text prints lines of this program's own.
func (o *output) text(text string) {
	o.progressEnds()
	fmt.Fprintln(o.out, text)
}

// raw prints a result that is a file.
func (o *output) raw(b []byte) {
	o.progressEnds()
	o.out.Write(b)
}

// line prints one line of a result.
func (o *output) line(format string, args ...any) { o.text(fill(format, args)) }

// lines prints lines of a result.
func (o *output) lines(list []string) {
	for _, l := range list {
		o.line("%s", l)
	}
}

// asked prints a question and reports whether the answer is yes; no answer is a no.
func (o *output) asked(cmd *cobra.Command, question string) bool {
	o.line("%s", question)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}

// warnings prints what people should know about a result.
func (o *output) warnings(list []string) {
	for _, w := range list {
		o.line("warning: %s", w)
	}
}

// json prints a result as one object.
func (o *output) json(v any) error {
	o.progressEnds()
	e := json.NewEncoder(o.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// pairs prints names and values in two columns; a pair without a value is left out.
func (o *output) pairs(list [][2]string) {
	o.progressEnds()
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	for _, p := range list {
		if p[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", quoted(p[0], ""), quoted(p[1], ""))
		}
	}
	w.Flush()
}

// table prints rows in columns, the first row as their heads.
func (o *output) table(rows [][]string) {
	o.progressEnds()
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		var cells []string
		for _, cell := range r {
			cells = append(cells, quoted(cell, ""))
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	w.Flush()
}

// progress shows a line that the next one replaces.
func (o *output) progress(line string) {
	if o.terminal == nil {
		return
	}
	fmt.Fprintf(o.terminal, "\r\x1b[K%s", quoted(line, ""))
	o.unfinished = true
}

// progressEnds removes the line of progress before something else is written.
func (o *output) progressEnds() {
	if o.unfinished {
		fmt.Fprint(o.terminal, "\r\x1b[K")
		o.unfinished = false
	}
}

// notice tells of an event while a command works.
func (o *output) notice(format string, args ...any) {
	o.progressEnds()
	fmt.Fprintln(o.err, fill(format, args))
}

// report prints the error of a command, if any, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	w = quoting{w}
	for line := range strings.Lines(message(err)) {
		fmt.Fprintf(w, "atrium: %s\n", strings.TrimRight(line, "\n"))
	}
	if text := storage.Advice(err); text != "" {
		fmt.Fprintf(w, "atrium: %s\n", text)
	}
	var unanchored errUnanchored
	switch {
	case isUsage(err):
		return exitUsage
	case errors.As(err, &unanchored):
		return exitUnanchored
	}
	return exitFailure
}

// message spares the reader the name of a system call.
func message(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := errorText(err)
	var p *fs.PathError
	if errors.As(err, &p) {
		text = strings.Replace(text, errorText(p), quoted(p.Path, "")+": "+errorText(p.Err), 1)
	}
	return text
}

// errorText is an error with what came from outside quoted. Only errors that were joined
// begin new lines.
func errorText(err error) string {
	var parts []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		parts = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		parts = e.Unwrap()
	}
	var own, texts []string
	rest := err.Error()
	for _, part := range parts {
		if part == nil {
			continue
		}
		before, after, ok := strings.Cut(rest, part.Error())
		if !ok { // it says something else than what it wraps
			return quoted(err.Error(), "")
		}
		own, texts, rest = append(own, before), append(texts, errorText(part)), after
	}
	if len(texts) == 0 {
		return quoted(rest, "")
	}
	joined := strings.Join(own, "") + rest
	var b strings.Builder
	for i, text := range texts {
		b.WriteString(quotedBetween(own[i], joined) + text)
	}
	return b.String() + quotedBetween(rest, joined)
}

// quotedBetween quotes what an error says around those that it wraps: nothing but line
// ends where errors were joined.
func quotedBetween(text, all string) string {
	if strings.Trim(all, "\n") == "" {
		return text
	}
	return quoted(text, "")
}

// newLogger writes log lines of a daemon to standard error.
func newLogger(cmd *cobra.Command, level slog.Level, asJSON bool) *slog.Logger {
	options, w := &slog.HandlerOptions{Level: level}, quoting{cmd.ErrOrStderr()}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
