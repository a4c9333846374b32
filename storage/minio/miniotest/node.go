package miniotest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Node is one server process that can be killed and started again on the same data.
type Node struct {
	name    string
	program string
	args    []string
	env     []string
	log     string
	space   *space // nil: this process's own network

	mu    sync.Mutex
	cmd   *exec.Cmd     // owned by mu; nil when nobody started it
	ended chan struct{} // of cmd: closed when the process has ended
}

// Start runs the process. It does not wait until it serves; see [Server.Ready].
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return fmt.Errorf("%s: runs already", n.name)
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.program, n.args...)
	cmd.Env = append(os.Environ(), n.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := cmd.Start
	if n.space != nil {
		start = func() error { return n.space.do(cmd.Start) }
	}
	if err := start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.cmd, n.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(n.ended)
	return nil
}

// Revive starts a process again that ended by itself, as a service manager does. Nodes of a
// cluster that make its first files at the same time can trip over one another and end.
func (n *Node) Revive() error {
	n.mu.Lock()
	select {
	case <-n.ended: // never of a nil channel
		n.cmd, n.ended = nil, nil
	default:
		n.mu.Unlock()
		return nil
	}
	n.mu.Unlock()
	return n.Start()
}

// Kill ends the process with SIGKILL and waits for its end.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return
	}
	n.cmd.Process.Kill()
	<-n.ended
	n.cmd, n.ended = nil, nil
}

// Pause stops the process with SIGSTOP.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return fmt.Errorf("%s: does not run", n.name)
	}
	return n.cmd.Process.Signal(s)
}

// lastWords is the end of the process's log.
func (n *Node) lastWords() string {
	b, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	return n.name + ": " + string(b[max(0, len(b)-1000):])
}
