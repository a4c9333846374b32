package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/coordinatortest"
	"atrium/coordinator/federation"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
	"atrium/storage"
	"atrium/storage/local"
)

// planted is a text with what a terminal obeys or hides: colour, a title, the CSI of eight
// bits, deletion, other directions, no width, a line of its own, and no UTF-8.
const planted = "p\x1b[31m\x1b]0;t\a\u009b2J\b\x7f\u202eover\u2066\u200b\ufeff\U000e0041\u00ad\u2028\ratrium: OK\nOK: 9 rounds\t\xff\ue000"

// shown is planted as it is printed.
const shown = `p\x1b[31m\x1b]0;t\x07\u009b2J\x08\u007f\u202eover\u2066\u200b\ufeff\udb40\udc41\u00ad\u2028\x0datrium: OK\nOK: 9 rounds\t\xff\ue000`

// harmless reports what a terminal would obey or hide in a program's output.
func harmless(t *testing.T, what, out string) {
	t.Helper()
	for i, r := range out {
		if r != '\n' && (r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)) {
			t.Fatalf("%s: %U comes out: %q", what, r, out[max(0, i-60):min(len(out), i+60)])
		}
	}
	if strings.Contains(out, "\nOK: 9 rounds") {
		t.Errorf("%s: a line of its own comes out:\n%s", what, out)
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{planted: shown, "Zürich, 東京 – ½ °C ☃ 😀": "Zürich, 東京 – ½ °C ☃ 😀", `C:\new`: `C:\new`, "": "", "a\ufffdb": `a\ufffdb`} {
		if got := quoted(in, ""); got != want {
			t.Errorf("%q is shown as\n%s, want\n%s", in, got, want)
		}
	}
	if got := quoted("a\n\tb\r", "\n\t"); got != "a\n\tb\\x0d" {
		t.Errorf("with what is kept: %q", got)
	}
}

func TestErrorText(t *testing.T) {
	bad := errors.New(planted)
	path := &fs.PathError{Op: "open", Path: planted, Err: fs.ErrNotExist}
	for want, err := range map[string]error{
		shown:                            bad,
		"read: " + shown:                 fmt.Errorf("read: %w", bad),
		shown + "\n" + shown:             errors.Join(bad, bad),
		"a: x\ny: b " + shown:            fmt.Errorf("a: %w: b %w", errors.Join(errors.New("x"), errors.New("y")), bad),
		"two: " + shown + "\nx " + shown: errors.Join(fmt.Errorf("two: %w", bad), fmt.Errorf("x %w", bad)),
		`a\nb`:                           errors.New("a\nb"),
		`a\nb: x`:                        fmt.Errorf("a\nb: %w", errors.New("x")),
		"open " + shown + ": file does not exist":               path,
		"hidden\\n" + "it":                                      &hiding{errors.New("cause")},
		`rpc error: code = Unknown desc = ` + `a\x1bb\nOK: yes`: status.Error(codes.Unknown, "a\x1bb\nOK: yes"),
	} {
		if got := errorText(err); got != want {
			t.Errorf("%q\nis shown as %s\nwant        %s", err, got, want)
		}
	}
	var w bytes.Buffer
	report(&w, fmt.Errorf("configuration: %w", path))
	if got := w.String(); got != "atrium: configuration: "+shown+": file does not exist\n" {
		t.Errorf("a path: %q", got)
	}
}

// hiding says something else than what it wraps.
type hiding struct{ error }

func (*hiding) Error() string   { return "hidden\nit" }
func (h *hiding) Unwrap() error { return h.error }

// Every way of printing, with planted text in every place.
func TestOutputQuotes(t *testing.T) {
	var out, errs bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	o := newOutput(cmd)
	o.line("%s %q %v %8s %v %d%%", planted, planted, errors.New(planted), planted, []string{planted}, 7)
	o.lines([]string{planted})
	o.pairs([][2]string{{planted, planted}})
	o.table([][]string{{planted, planted}, {planted}})
	o.notice("%v", errors.Join(errors.New(planted), errors.New(planted)))
	if err := o.json(map[string]string{planted: planted}); err != nil {
		t.Fatal(err)
	}
	for _, asJSON := range []bool{false, true} {
		l := newLogger(cmd, slog.LevelInfo, asJSON)
		l.With(planted, planted).WithGroup(planted).Info(planted, "error", errors.New(planted), "list", []string{planted}, "bytes", []byte(planted))
	}
	harmless(t, "results", out.String())
	harmless(t, "log", errs.String())
	if got := strings.Count(out.String(), "\n"); got != 1+1+1+2+3 {
		t.Errorf("%d lines:\n%s", got, out.String())
	}
	if !strings.Contains(out.String(), shown+" ") || !strings.Contains(out.String(), " 7%\n") {
		t.Errorf("it is printed otherwise:\n%s", out.String())
	}
}

// raw is what a command prints on both streams.
func raw(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "atrium", args...).CombinedOutput()
	if len(out) == 0 {
		t.Fatalf("%q says nothing: %v", args, err)
	}
	harmless(t, fmt.Sprintf("%q", args), string(out))
	return string(out)
}

// A log whose hospitals declined for a planted reason, and a lease of a planted holder.
func TestPlantedInALog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	bucket, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := coordinatortest.New(t.Context(), bucket, 4)
	if err != nil {
		t.Fatal(err)
	}
	f.Reason = strings.ToValidUTF8(planted, "")
	if err := f.Grow(t.Context(), 20, 0); err != nil {
		t.Fatal(err)
	}
	lease := coordinator.Lease{V: 1, Instance: "i", Epoch: 1, Holder: "p\x1b[31m\u202e", Addresses: []string{"p\x1b[31m\u202e:1"}, Milliseconds: 10_000, Time: "2026-03-01T12:00:00.000Z"}
	if err := bucket.CompareAndSwap(t.Context(), storage.Lease, nil, federation.Encode(lease)); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Close(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, command := range [][]string{{"coordinator", "status"}, {"coordinator", "status", "--json"}, {"audit", "show"}, {"audit", "show", "--json"},
		{"audit", "show", "--round", "1"}, {"audit", "verify"}, {"audit", "replay"}, {"coordinator", "storage", "du"}} {
		said += raw(t, append(command, "--storage", dir)...)
	}
	if !strings.Contains(said, `p\x1b[31m`) {
		t.Errorf("nobody says the reason:\n%s", said)
	}
}

// A hospital whose coordinator answers with planted text: its log, its errors, its status.
func TestPlantedByACoordinator(t *testing.T) {
	t.Parallel()
	s := newSite(t, plans.Cardiology())
	address := s.evil(strings.ToValidUTF8(planted, ""))
	d := started(t, "hospital", "run", s.hospital("a"), "--coordinator", address)
	d.await(t, "p\\x1b[31m")
	s.stop(d)
	harmless(t, "log", strings.Join(d.all, "\n"))
	said := raw(t, "hospital", "status", s.hospital("a"))
	if !strings.Contains(said, `p\x1b[31m`) {
		t.Errorf("the status has no reason:\n%s", said)
	}
	file := filepath.Join(s.hospital("a"), "state", client.StatusFile)
	b := federation.Encode(client.Status{Hospital: planted, Doing: planted, Refused: planted, LastError: planted, Since: planted})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	raw(t, "hospital", "status", s.hospital("a"))
	raw(t, "hospital", "status", s.hospital("a"), "--json")
	raw(t, "hospital", "recover", s.hospital("a"), "--coordinator", address)
}

// evil is a coordinator with the right keys that answers every call with a text.
func (s site) evil(text string) (address string) {
	s.t.Helper()
	at := func(name string) string { return filepath.Join(s.coordinator(), name) }
	cert, err := setup.LoadKeyPair(at("tls.crt"), at("tls.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	pool, err := setup.LoadPool(at("ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(rpc.ServerTLS(cert, pool))),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return status.Error(codes.PermissionDenied, text) }))
	go server.Serve(listener)
	s.t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// Files of planted names and with planted content.
func TestPlantedInFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, plans.Cardiology())
	name := strings.ReplaceAll(planted, "/", "")
	file := filepath.Join(s.dir, name)
	raw(t, "hospital", "run", file)
	raw(t, "plan", "check", file)
	raw(t, "audit", "verify", "--storage", file)
	raw(t, "coordinator", "status", "--config", file)
	raw(t, name)
	raw(t, "plan", "--"+name)
	for _, content := range []string{planted, planted + ": " + planted, "name: \"" + planted + "\"\n", "v: 1\nname: test\n" + planted, `{"v":1,"` + planted + `":1}`} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"plan", "check", file}, {"hospital", "run", s.hospital("a"), "--policy", file}, {"hospital", "run", file},
			{"hospital", "run", s.hospital("a"), "--charter", file}, {"hospital", "run", s.hospital("a"), "--identity-key", file},
			{"hospital", "run", s.hospital("a"), "--plan", file}, {"hospital", "charter", "approve", file, s.hospital("a")},
			{"coordinator", "serve", s.coordinator(), "--log-key", file}, {"coordinator", "charter", "install", "--config", s.coordinator(), file}} {
			raw(t, args...)
		}
	}
	plan := plans.Cardiology()
	plan.Features[0].Note, plan.Label.Note = strings.ToValidUTF8(planted, ""), strings.ToValidUTF8(planted, "")
	s.put(file, plan)
	if said := raw(t, "plan", "check", file); !strings.Contains(said, `p\x1b[31m`) {
		t.Errorf("the notes are not shown:\n%s", said)
	}
	if err := os.WriteFile(filepath.Join(s.coordinator(), "state", name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	raw(t, "coordinator", "storage", "du", s.coordinator())
	raw(t, "audit", "verify", "--state", filepath.Join(s.dir, "fed"))
}
