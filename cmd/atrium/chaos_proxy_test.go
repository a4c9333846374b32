package main

import (
	"errors"
	"io"
	"net"
	"sync"
)

// proxy forwards TCP connections to an address, until it is cut.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex // guards the rest
	state proxyState
	open  map[net.Conn]bool // false: forgotten
	moved chan struct{}     // closed when state changes
}

type proxyState int

const (
	passing  proxyState = iota
	silent              // what comes is kept and goes on later, as with a cable that is out
	refusing            // connections are closed, old and new
)

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, open: map[net.Conn]bool{}, moved: make(chan struct{})}
	go p.accept()
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// set changes what happens to connections.
func (p *proxy) set(s proxyState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
	close(p.moved)
	p.moved = make(chan struct{})
	if s == refusing {
		p.drop()
	}
}

// forget does what a firewall does that lost its table: no byte of the connections that
// there are arrives any more, and neither side is told.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		p.open[c] = false
	}
}

func (p *proxy) drop() {
	for c := range p.open {
		c.Close()
	}
	clear(p.open)
}

// close ends everything.
func (p *proxy) close() {
	p.listener.Close()
	p.set(refusing)
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			continue
		}
		go p.connect(in)
	}
}

func (p *proxy) connect(in net.Conn) {
	if !p.keep(in) {
		return
	}
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		p.end(in)
		return
	}
	if !p.keep(out) {
		p.end(in)
		return
	}
	go p.pump(in, out)
	p.pump(out, in)
}

// keep notes a connection, or closes it when there are to be none.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == refusing {
		c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.open, c)
	}
}

// pump copies one direction of a connection; an end of it ends both, unless they were
// forgotten.
func (p *proxy) pump(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if !p.wait(from) {
			_, _ = io.Copy(io.Discard, from) // nobody hears how it ends
			p.end(from)
			return
		}
		if n > 0 && err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			p.end(from, to)
			return
		}
	}
}

// wait returns when the cable is in, and whether the connection is not forgotten.
func (p *proxy) wait(c net.Conn) bool {
	for {
		p.mu.Lock()
		s, known, moved := p.state, p.open[c], p.moved
		p.mu.Unlock()
		if s != silent {
			return known || s == refusing
		}
		<-moved
	}
}
