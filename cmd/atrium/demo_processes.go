package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// supervisor runs the processes of a demonstration as an init system would: one that
// is killed is started again, one that ends with an error ends the demonstration.
// Every process holds the reading end of a pipe as its standard input and ends when the
// pipe closes, so that none outlives the demonstration, even one killed with -9.
type supervisor struct {
	program   string
	logs      string
	noRestart bool
	notice    func(format string, args ...any)
	restarts  int                             // of one process at most
	delay     func(name string) time.Duration // before a killed process is started again

	group  sync.WaitGroup
	failed chan error
	mu     sync.Mutex // guards lost, pids and begun
	lost   map[string]string
	pids   map[string]int
	begun  map[string]bool
}

const (
	maxRestarts  = 20
	restartDelay = 300 * time.Millisecond
	stopDelay    = 5 * time.Second
)

func sameDelay(string) time.Duration { return restartDelay }

func newSupervisor(logs string, noRestart bool, notice func(string, ...any)) (*supervisor, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &supervisor{program: program, logs: logs, noRestart: noRestart, notice: notice,
		restarts: maxRestarts, delay: sameDelay,
		failed: make(chan error, 1), lost: map[string]string{}, pids: map[string]int{}, begun: map[string]bool{}}, nil
}

// keep runs a process under a name until ctx ends.
func (s *supervisor) keep(ctx context.Context, name string, args ...string) {
	s.mu.Lock()
	s.begun[name] = true
	s.mu.Unlock()
	s.group.Go(func() {
		for restarts := 0; ; restarts++ {
			err := s.run(ctx, name, args)
			switch {
			case ctx.Err() != nil:
				return
			case killedBySignal(err) && !s.noRestart && restarts < s.restarts:
				s.notice("%s: %v, started again", name, err)
			case killedBySignal(err):
				s.notice("%s: %v, not started again", name, err)
				s.lose(name, err)
				return
			default:
				s.fail(fmt.Errorf("%s: %w%s", name, err, s.lastLine(name)))
				return
			}
			select {
			case <-time.After(s.delay(name)):
			case <-ctx.Done():
				return
			}
		}
	})
}

func killedBySignal(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && !exit.Exited()
}

var errEnded = errors.New("ended by itself")

// run starts a process and waits for its end.
func (s *supervisor) run(ctx context.Context, name string, args []string) error {
	log, err := os.OpenFile(filepath.Join(s.logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopDelay
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	s.mu.Lock()
	s.pids[name] = cmd.Process.Pid
	s.mu.Unlock()
	if err := s.writePids(); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	err = cmd.Wait()
	s.mu.Lock()
	delete(s.pids, name)
	s.mu.Unlock()
	if err == nil {
		err = errEnded
	}
	return err
}

var errNotRunning = errors.New("is not running")

// signal sends a signal to the process of a name.
func (s *supervisor) signal(name string, signal os.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, ok := s.pids[name]
	if !ok {
		return fmt.Errorf("%s %w", name, errNotRunning)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Signal(signal)
}

// writePids tells who wants to kill one which process is whose.
func (s *supervisor) writePids() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	for name, pid := range s.pids {
		fmt.Fprintf(&b, "%d %s\n", pid, name)
	}
	return os.WriteFile(filepath.Join(s.logs, "pids"), b.Bytes(), 0o600)
}

func (s *supervisor) lose(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost[name] = err.Error()
}

// kept reports whether a process of this name was ever started.
func (s *supervisor) kept(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun[name]
}

// gone returns why a process is not there any more, or "".
func (s *supervisor) gone(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost[name]
}

func (s *supervisor) fail(err error) {
	select {
	case s.failed <- err:
	default: // the first error is the one to report
	}
}

// lastLine returns the last line of a process's log, behind a colon.
func (s *supervisor) lastLine(name string) string {
	f, err := os.Open(filepath.Join(s.logs, name+".log"))
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 4096 {
		if _, err := f.Seek(-4096, io.SeekEnd); err != nil {
			return ""
		}
	}
	b, err := io.ReadAll(f)
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if err != nil || len(lines[len(lines)-1]) == 0 {
		return ""
	}
	return ": " + string(lines[len(lines)-1])
}

// wait returns when every process has ended; ctx of keep must be done.
func (s *supervisor) wait() { s.group.Wait() }
