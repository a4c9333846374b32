package main

// Everything that this program prints goes through an output or report, by these rules:
//
//   - Results go to standard output, for people as lines, with --json as one object.
//   - Errors go to standard error, each line behind "atrium: ". So do the log lines of
//     a daemon, which slog writes.
//   - Progress goes to standard error too, and only when that is a terminal.
//   - No colour and no control sequence is written to anything but a terminal.
//   - No secret, no record, and no hospital's name beyond what the charter shows.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"atrium/storage"
)

// output is where one command prints. It belongs to one goroutine at a time.
type output struct {
	out, err   io.Writer
	terminal   bool // whether err is one
	unfinished bool // whether err's last line is progress
}

func newOutput(cmd *cobra.Command) *output {
	o := &output{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
	if f, ok := o.err.(*os.File); ok {
		o.terminal = term.IsTerminal(int(f.Fd()))
	}
	return o
}

// line prints one line of a result.
func (o *output) line(format string, args ...any) {
	o.progressEnds()
	fmt.Fprintf(o.out, format+"\n", args...)
}

// raw prints a result that is a file.
func (o *output) raw(b []byte) {
	o.progressEnds()
	o.out.Write(b)
}

// lines prints lines of a result.
func (o *output) lines(list []string) {
	for _, l := range list {
		o.line("%s", l)
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
			fmt.Fprintf(w, "%s\t%s\n", p[0], p[1])
		}
	}
	w.Flush()
}

// table prints rows in columns, the first row as their heads.
func (o *output) table(rows [][]string) {
	o.progressEnds()
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	w.Flush()
}

// progress shows a line that the next one replaces.
func (o *output) progress(line string) {
	if !o.terminal {
		return
	}
	fmt.Fprintf(o.err, "\r\x1b[K%s", line)
	o.unfinished = true
}

// progressEnds removes the line of progress before something else is written.
func (o *output) progressEnds() {
	if o.unfinished {
		fmt.Fprint(o.err, "\r\x1b[K")
		o.unfinished = false
	}
}

// notice tells of an event while a command works.
func (o *output) notice(format string, args ...any) {
	o.progressEnds()
	fmt.Fprintf(o.err, format+"\n", args...)
}

// report prints the error of a command, if any, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
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
	text := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		text = strings.Replace(text, p.Error(), p.Path+": "+p.Err.Error(), 1)
	}
	return text
}

// newLogger writes log lines of a daemon to standard error.
func newLogger(cmd *cobra.Command, level slog.Level, asJSON bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), options))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), options))
}
