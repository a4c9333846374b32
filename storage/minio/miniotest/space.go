package miniotest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// ErrNoNamespace means that this process may not make a namespace.
var ErrNoNamespace = errors.New("no namespace: a store of several nodes, or on a small disk, needs root and namespaces")

// space is a namespace, of the network or of mounts. It is a thread: what runs there, the
// sockets and the files that it opens live in the namespace.
type space struct {
	work chan func()
	quit chan struct{}
	once sync.Once
}

// dialTime bounds how long a node may take to accept a connection.
const dialTime = 2 * time.Second

// privateAddress is that of every node in a space.
var privateAddress = net.IPv4(10, 213, 0, 1)

// newNetwork is a network with loopback and one private address.
func newNetwork() (*space, error) {
	return newSpace(syscall.CLONE_NEWNET, func() error {
		return errors.Join(raise("lo", net.IPv4(127, 0, 0, 1)), raise("lo:1", privateAddress))
	})
}

// newDisk is a view of the file system in which dir is a disk of some bytes, in memory.
func newDisk(dir string, bytes int64) (*space, error) {
	return newSpace(syscall.CLONE_NEWNS, func() error {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("%w: private mounts: %w", ErrNoNamespace, err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
			return fmt.Errorf("%w: mount %s: %w", ErrNoNamespace, dir, err)
		}
		return nil
	})
}

func newSpace(flags int, prepare func() error) (*space, error) {
	s := &space{work: make(chan func()), quit: make(chan struct{})}
	ready := make(chan error)
	go func() {
		// The thread never ends: processes that it started while it was an ordinary one
		// would be taken for orphans and die with it.
		runtime.LockOSThread()
		err := syscall.Unshare(flags)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNoNamespace, err)
		} else {
			err = prepare()
		}
		ready <- err
		for {
			(<-s.work)()
		}
	}()
	return s, <-ready
}

// do runs f in the namespace.
func (s *space) do(f func() error) error {
	done := make(chan error)
	select {
	case s.work <- func() { done <- f() }:
		return <-done
	case <-s.quit:
		return net.ErrClosed
	}
}

func (s *space) close() { s.once.Do(func() { close(s.quit) }) }

// raise gives an interface an address and brings it up: netdevice(7).
func raise(name string, ip net.IP) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var request struct {
		name   [16]byte
		family uint16 // of the address; the flags in SIOCSIFFLAGS
		port   [2]byte
		ip     [4]byte
		_      [16]byte
	}
	ioctl := func(op uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), op, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return fmt.Errorf("interface %s: %w", name, errno)
		}
		return nil
	}
	copy(request.name[:15], name)
	request.family = syscall.AF_INET
	copy(request.ip[:], ip.To4())
	if err := ioctl(syscall.SIOCSIFADDR); err != nil {
		return err
	}
	request.family = syscall.IFF_UP | syscall.IFF_RUNNING
	return ioctl(syscall.SIOCSIFFLAGS)
}

// door is a port on loopback that leads to an address in a namespace, and can be cut.
type door struct {
	listener net.Listener
	space    *space
	target   string

	mu    sync.Mutex
	cut   bool                  // owned by mu
	conns map[net.Conn]struct{} // owned by mu
}

func newDoor(s *space, target string) (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{listener: l, space: s, target: target, conns: map[net.Conn]struct{}{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.pass(c)
		}
	}()
	return d, nil
}

func (d *door) pass(outside net.Conn) {
	defer outside.Close()
	var inside net.Conn
	err := d.space.do(func() (err error) {
		inside, err = net.DialTimeout("tcp", d.target, dialTime)
		return err
	})
	if err != nil || !d.enter(outside, inside) {
		return
	}
	defer inside.Close()
	go func() {
		io.Copy(inside, outside)
		inside.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(outside, inside)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, outside)
	delete(d.conns, inside)
}

func (d *door) enter(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		if d.cut {
			c.Close()
			continue
		}
		d.conns[c] = struct{}{}
	}
	return !d.cut
}

// set cuts every connection and refuses new ones, or opens the door again.
func (d *door) set(cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = cut
	for c := range d.conns {
		if cut {
			c.Close()
		}
	}
}

func (d *door) close() {
	d.listener.Close()
	d.set(true)
}
