package rpc

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// crowd is the open connections of one kind, no more than it may be. The one that closes
// for a newcomer belongs to whoever holds the most: a flood, from however few places, puts
// out itself and nobody else. It is safe for concurrent use.
type crowd struct {
	each int // most of one guest's connections; 0: as many as of all

	mu    sync.Mutex
	most  int // of all
	count int
	seen  uint64              // all that ever entered
	by    map[string][]*guest // in order of arrival
}

// guest is one connection. It has spoken once something was read from it.
type guest struct {
	net.Conn
	who    string
	turn   uint64 // of those that entered
	spoken atomic.Bool
}

// Read notes that the other side says something.
func (g *guest) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 {
		g.spoken.Store(true)
	}
	return n, err
}

func newCrowd(most, each int) *crowd {
	return &crowd{most: most, each: each, by: map[string][]*guest{}}
}

// enter counts a connection in. When there is no room for it another one is closed and
// returned; its descriptor is free again by then.
func (c *crowd) enter(who string, conn net.Conn) (in, out *guest) {
	in = &guest{Conn: conn, who: who}
	c.mu.Lock()
	out = c.makeRoom(who)
	c.seen++
	in.turn = c.seen
	c.by[who] = append(c.by[who], in)
	c.count++
	c.mu.Unlock()
	if out != nil {
		out.Close() // what it says of a connection that is given up changes nothing
	}
	return in, out
}

// makeRoom takes out who has to go for a newcomer, if anyone. c.mu is held.
func (c *crowd) makeRoom(newcomer string) (out *guest) {
	switch {
	case c.each > 0 && len(c.by[newcomer]) >= c.each:
		out = first(c.by[newcomer])
	case c.count >= c.most:
		out = c.ofTheMost(newcomer)
	}
	if out != nil {
		c.remove(out)
	}
	return out
}

// ofTheMost returns a connection of whoever holds the most, the newcomer counted; of
// several who hold as many the oldest.
func (c *crowd) ofTheMost(newcomer string) (out *guest) {
	held := 0
	for who, list := range c.by {
		n, g := len(list), first(list)
		if who == newcomer {
			n++
		}
		if n > held || n == held && g.turn < out.turn {
			held, out = n, g
		}
	}
	return out
}

// first is who goes first of a list that is not empty: the oldest that never spoke, or
// the oldest.
func first(list []*guest) *guest {
	return list[max(0, slices.IndexFunc(list, func(g *guest) bool { return !g.spoken.Load() }))]
}

// leave counts a connection out, once.
func (c *crowd) leave(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(g)
}

func (c *crowd) remove(g *guest) {
	list := c.by[g.who]
	i := slices.Index(list, g)
	if i < 0 {
		return
	}
	c.count--
	if c.by[g.who] = slices.Delete(list, i, i+1); len(c.by[g.who]) == 0 {
		delete(c.by, g.who)
	}
}
