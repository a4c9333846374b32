package client_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/client/participant"
	"atrium/coordinator/federation"
)

// said keeps what a daemon's log warns of.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (s *said) WithAttrs([]slog.Attr) slog.Handler               { return s }
func (s *said) WithGroup(string) slog.Handler                    { return s }

func (s *said) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			s.lines = append(s.lines, fmt.Sprint(a.Value.Any()))
		}
		return true
	})
	return nil
}

func (s *said) anything() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines) > 0
}

// take returns what was said since the last take.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.lines, "; ")
	s.lines = nil
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sends fails the test unless a hospital sent exactly one message of a kind.
func (o outcome) sends(t *testing.T, kind string) message {
	t.Helper()
	if len(o.messages) != 1 || o.messages[0].kind != kind {
		t.Fatalf("want one %s, got %d messages, %q", kind, len(o.messages), o.refusal)
	}
	return o.messages[0]
}

// refuses fails the test unless a hospital refused a task and said why, and sent nothing
// but perhaps a decline.
func (o outcome) refuses(t *testing.T, reason string) {
	t.Helper()
	for _, m := range o.messages {
		if m.kind != "decline" {
			t.Errorf("a %s was sent", m.kind)
		}
	}
	if !strings.Contains(o.refusal, reason) {
		t.Errorf("refusal %q, want %q", o.refusal, reason)
	}
	t.Logf("refusal: %s", o.refusal)
}

func clone[T any](t *testing.T, v T) T {
	t.Helper()
	out, err := federation.Decode[T](federation.Encode(v), federation.MaxManifestBytes)
	must(t, err)
	return out
}

func zeros(like []byte) []byte { return bytes.Repeat([]byte{0}, len(like)) }

// tick comes after a moment: for what has no event to wait for.
func (l *liar) tick() <-chan time.Time { return time.After(20 * time.Millisecond) }

// began is the journal line that begins an epoch.
func began(t *testing.T, epoch uint64, charter federation.Digest) []byte {
	t.Helper()
	body := federation.Encode(participant.Entry{V: 1, Kind: participant.Began, Digest: charter, Epoch: epoch})
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body)
}
