package rpc

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"atrium/coordinator/federation"
)

// door counts connections in, from the moment that they are accepted: as a stranger's, by
// its address, until its TLS key is known, and then as a hospital's, by that key. What it
// knows of a connection goes by the connection itself, because gRPC sets options on the
// accepted one. It is safe for concurrent use.
type door struct {
	net.Listener
	logger    *slog.Logger
	strangers *crowd
	hospitals *crowd

	mu      sync.Mutex
	knocked map[net.Conn]*guest // strangers
	dropped int                 // strangers since the last line of the log
	said    time.Time
}

func newDoor(listener net.Listener, r room, logger *slog.Logger) *door {
	return &door{Listener: listener, logger: logger, knocked: map[net.Conn]*guest{},
		strangers: newCrowd(r.strangers, 0), hospitals: newCrowd(r.hospitals, hospitalConnections)}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	in, out := d.strangers.enter(origin(conn.RemoteAddr()), conn)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.knocked[conn] = in
	if out != nil {
		delete(d.knocked, out.Conn)
		d.sayDropped(out.who)
	}
	return conn, nil
}

// sayDropped tells the operator of a flood, in few lines. d.mu is held.
func (d *door) sayDropped(from string) {
	d.dropped++
	if now := time.Now(); now.Sub(d.said) >= floodNotice {
		d.logger.Warn("more connections than there is room for never authenticated, the oldest of whoever holds the most are closed",
			"closed", d.dropped, "last_from", from)
		d.said, d.dropped = now, 0
	}
}

// knocking returns an accepted connection as a guest, to be left with inside or gone.
func (d *door) knocking(conn net.Conn) *guest {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g, ok := d.knocked[conn]; ok {
		return g
	}
	return &guest{Conn: conn} // closed meanwhile
}

// gone forgets a stranger whose connection is closed, or who is one no more.
func (d *door) gone(g *guest) {
	d.mu.Lock()
	delete(d.knocked, g.Conn)
	d.mu.Unlock()
	d.strangers.leave(g)
}

// inside counts a connection as a hospital's. Of one hospital a few stay open, the newest:
// those of before a line broke are still there when it is back.
func (d *door) inside(g *guest, key federation.Digest) (leave func()) {
	d.gone(g)
	in, _ := d.hospitals.enter(key.String(), g.Conn)
	in.spoken.Store(true)
	return func() { d.hospitals.leave(in) }
}

// origin is whom a connection is counted for: an IPv4 address, or the network of an IPv6
// one, of which anybody has 2^64.
func origin(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := at.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(ipv6Network)
	if err != nil {
		return ip.String()
	}
	return network.String()
}
