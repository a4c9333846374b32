package rpc

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// fake is a connection that only knows whether it is closed.
type fake struct {
	net.Conn
	name   string
	closed *[]string
}

func (f fake) Close() error {
	*f.closed = append(*f.closed, f.name)
	return nil
}

// Each line is who comes, in order; "who!" has spoken. What is closed follows.
func TestCrowd(t *testing.T) {
	for _, c := range []struct {
		name       string
		most, each int
		come       string
		closed     string
	}{
		{"room for all", 4, 0, "a a b b", ""},
		{"one place floods another out of nothing", 4, 0, "b a a a a a a", "a1 a2 a3"},
		{"a flood that came first gives way", 4, 0, "a a a a b c", "a0 a1"},
		{"many places with one each: the oldest", 3, 0, "e d c b a", "e0 d1"},
		{"as many with the newcomer", 2, 0, "b a a", "a1"},
		{"who never spoke goes first", 4, 0, "a! a a! a a", "a1"},
		{"all spoke", 3, 0, "a! a! a! a!", "a0"},
		{"a few of one", 10, 2, "a! a! b! a! a!", "a0 a1"},
	} {
		var closed []string
		crowd := newCrowd(c.most, c.each)
		for i, who := range strings.Fields(c.come) {
			who, spoken := strings.CutSuffix(who, "!")
			in, _ := crowd.enter(who, fake{nil, fmt.Sprint(who, i), &closed})
			in.spoken.Store(spoken)
		}
		if got := strings.Join(closed, " "); got != c.closed {
			t.Errorf("%s: %q closed, want %q", c.name, got, c.closed)
		}
		open := 0
		for _, list := range crowd.by {
			open += len(list)
			for _, g := range slices.Clone(list) {
				crowd.leave(g)
				crowd.leave(g)
			}
		}
		if open > c.most || crowd.count != 0 || len(crowd.by) != 0 {
			t.Errorf("%s: %d of %d open, %d left", c.name, open, c.most, crowd.count)
		}
	}
}

func TestOrigin(t *testing.T) {
	for _, c := range [][2]string{{"192.0.2.7:99", "192.0.2.7"}, {"[::ffff:192.0.2.7]:99", "192.0.2.7"}, {"[2001:db8:1:2:3::4%eth0]:99", "2001:db8:1:2::/64"}} {
		a := &net.TCPAddr{}
		if host, _, err := net.SplitHostPort(c[0]); err != nil {
			t.Fatal(err)
		} else {
			ip, zone, _ := strings.Cut(host, "%")
			a.IP, a.Zone, a.Port = net.ParseIP(ip), zone, 99
		}
		if got := origin(a); got != c[1] {
			t.Errorf("%s counts for %s, want %s", c[0], got, c[1])
		}
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		limit     uint64
		hospitals int
		want      room
		err       string
	}{
		{1024, 10, room{192, 576}, ""},
		{1 << 40, 10, room{1024, 1<<20 - 256 - 1024}, ""},
		{320, 4, room{16, 48}, ""},
		{319, 4, room{}, "319 for 4 hospitals, the store and the lease: too few file descriptors: at least 320 are needed"},
		{1024, 1170, room{}, "at least 3377 are needed"},
		{3377, 1170, room{780, 2341}, ""},
	} {
		got, err := roomFor(c.limit, c.hospitals)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && (!errors.Is(err, ErrDescriptors) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%d descriptors, %d hospitals: %+v, %v; want %+v, %q", c.limit, c.hospitals, got, err, c.want, c.err)
		}
	}
}
