package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"atrium/client"
	"atrium/client/train"
	"atrium/coordinator/federation"
)

// line is a TCP proxy in front of a coordinator that cuts connections.
type line struct {
	t        *testing.T
	listener net.Listener
	to       string
	group    sync.WaitGroup

	mu    sync.Mutex
	bytes map[string]int // that went through, by direction: up and down
	cuts  map[string]int // by direction: the connection breaks when so many went through
	open  map[net.Conn]bool
}

func newLine(t *testing.T, to string, cuts map[string]int) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{t: t, listener: listener, to: to, bytes: map[string]int{}, cuts: cuts, open: map[net.Conn]bool{}}
	l.group.Go(l.accept)
	return l
}

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		l.mu.Lock()
		l.open[near], l.open[far] = true, true
		l.mu.Unlock()
		l.group.Go(func() { l.carry("up", near, far) })
		l.group.Go(func() { l.carry("down", far, near) })
	}
}

// carry copies one direction of a connection until either end or a cut closes both.
func (l *line) carry(direction string, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.pass(direction, n) {
			return
		}
		if _, failed := to.Write(buffer[:n]); errors.Join(err, failed) != nil {
			return
		}
	}
}

// pass counts bytes and reports whether the connection holds.
func (l *line) pass(direction string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes[direction] += n
	cut, ok := l.cuts[direction]
	if !ok || l.bytes[direction] < cut {
		return true
	}
	delete(l.cuts, direction) // once
	return false
}

func (l *line) close() (up, down int) {
	l.listener.Close()
	l.mu.Lock()
	for c := range l.open {
		c.Close()
	}
	if len(l.cuts) > 0 {
		l.t.Errorf("connections were not cut: %v", l.cuts)
	}
	l.mu.Unlock()
	l.group.Wait()
	return l.bytes["up"], l.bytes["down"]
}

// still is a train.Trainer that changes nothing.
type still struct{ train.Trainer }

func (still) Train(_ context.Context, base, _, _, _ []float32, _ int, _ federation.Local, _ uint64) ([]float32, float64, error) {
	return make([]float32, len(base)), 0, nil
}
func (still) Score(_, _ []float32, rows int) ([]float64, error) { return make([]float64, rows), nil }
func (still) Close() error                                      { return nil }

// TestBrokenConnectionsAreResumed: a hospital's connection breaks in the middle of the
// download of C and in the middle of its upload. What had arrived is not sent
// again, and its update is in the sum.
func TestBrokenConnectionsAreResumed(t *testing.T) {
	t.Parallel()
	const ciphertext = 11_500_000 // bytes, nearly; of C too, and a custodian downloads nothing else of a version
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) {
		p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{2000, 2400}}
		p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.GraceSeconds = 1, 0, 600
	})
	c, stop := w.coordinator()
	defer stop()
	l := newLine(t, w.address, map[string]int{"down": 8_000_000, "up": 10_500_000}) // the second segment begins after 8.4 MB
	for i, name := range w.names {
		cfg := w.config(name)
		cfg.Trainer = still{}
		if i == 0 {
			cfg.Addresses = []string{l.listener.Addr().String()}
			w.hasAdopted(cfg) // or it would download the result while we count
		}
		defer w.run(cfg)()
	}
	w.until(c, "the plan's end", finished)
	if s := c.View().State.Round.S; len(s) != 1 || len(s[0]) != 4 {
		t.Errorf("S is %v: want all four", s)
	}
	up, down := l.close()
	t.Logf("%d bytes up, %d down", up, down)
	// Lost with a connection: what is in its buffers, and of an upload the segment begun.
	if down > ciphertext+7_000_000 || down < ciphertext {
		t.Errorf("%d bytes down for a C of %d: it was sent again", down, ciphertext)
	}
	if up > ciphertext+6_000_000 || up < ciphertext {
		t.Errorf("%d bytes up for a ciphertext of %d: it was sent again", up, ciphertext)
	}
}

// hasAdopted lets a daemon believe that it scored a later version already.
func (w *world) hasAdopted(cfg client.Config) {
	w.t.Helper()
	w.must(os.MkdirAll(cfg.State, 0o700))
	report, err := json.Marshal(client.Report{Federation: cfg.Charter.Federation, Version: 99})
	w.must(err)
	w.must(os.WriteFile(filepath.Join(cfg.State, client.ReportFile), report, 0o600))
}

// run starts a daemon and returns a function that stops it.
func (w *world) run(cfg client.Config) func() {
	w.t.Helper()
	d, err := client.Open(cfg)
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("hospital %s: %v", cfg.Name, err)
		}
		w.must(d.Close())
	}
}
