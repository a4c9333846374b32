package external

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// programFD is what the child runs.
const programFD = "/proc/self/fd/3"

// nobody is who the program is, in its own namespace, where the daemon is root: it then has
// no capability there either.
const nobody = 65534

// start runs the program; the caller closes it. Its directory exists and is empty.
func start(cfg config) (_ *process, err error) {
	program, err := sealed(cfg.Program)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	files := []*os.File{program}
	if cfg.Plan.Model.Base != "" {
		base, err := openHashed(cfg.Program.Base, "trainer.base", cfg.Plan.Model.Base, nil, math.MaxInt64-1)
		if err != nil {
			return nil, err
		}
		defer base.Close()
		files = append(files, base)
	}
	return spawn(cfg, files)
}

// sealed copies the program to memory that nobody changes any more, and checks its digest.
func sealed(p Program) (*os.File, error) {
	fd, err := unix.MemfdCreate("trainer", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("trainer.program: %w: memfd_create: %w", ErrIsolation, err)
	}
	copied := os.NewFile(uintptr(fd), "trainer")
	original, err := openHashed(p.Path, "trainer.program", p.SHA256.String(), copied, MaxProgramBytes)
	if err != nil {
		return nil, errors.Join(err, copied.Close())
	}
	defer original.Close()
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(copied.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("trainer.program: %w: seal: %w", ErrIsolation, err), copied.Close())
	}
	return copied, nil
}

// pipes are both ends of the program's standard streams.
type pipes struct{ near, far [3]*os.File }

func newPipes() (p pipes, err error) {
	for i := range p.near {
		r, w, failed := os.Pipe()
		if err = errors.Join(err, failed); failed != nil {
			continue
		}
		p.near[i], p.far[i] = r, w
		if i == 0 {
			p.near[i], p.far[i] = w, r
		}
	}
	return p, err
}

func closeAll(files [3]*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// spawn starts the program of files[0] and watches it.
func spawn(cfg config, files []*os.File) (*process, error) {
	streams, err := newPipes()
	defer func() { closeAll(streams.far) }()
	if err != nil {
		closeAll(streams.near)
		return nil, err
	}
	cmd := &exec.Cmd{Path: programFD, Args: []string{filepath.Base(cfg.Program.Path)}, Dir: cfg.Dir, Env: environment(cfg.Dir),
		Stdin: streams.far[0], Stdout: streams.far[1], Stderr: streams.far[2], ExtraFiles: files, SysProcAttr: isolation()}
	p := &process{in: streams.near[0], out: streams.near[1], lines: bufio.NewReaderSize(streams.near[1], MaxLine),
		ended: make(chan struct{}), log: &stderrLog{say: cfg.Stderr}}
	p.log.renew()
	started := make(chan error)
	go p.watch(cmd, streams.near[2], cfg.Program.memory(), started)
	if err := <-started; err != nil {
		closeAll(streams.near)
		return nil, err
	}
	return p, nil
}

// watch starts the program and waits for its end, on one thread: the kernel kills the
// program when the thread that started it ends, and lets that thread alone trace it.
func (p *process) watch(cmd *exec.Cmd, stderr *os.File, memory int64, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := startMapped(cmd); err != nil {
		started <- notStarted(err)
		return
	}
	p.kill = sync.OnceFunc(func() { _ = cmd.Process.Kill() }) // the first process of its namespace takes all others with it
	if err := limit(cmd.Process.Pid, memory); err != nil {
		p.kill()
		started <- errors.Join(fmt.Errorf("trainer.program: %w: limits: %w", ErrIsolation, err), cmd.Wait())
		return
	}
	started <- nil
	logged := make(chan struct{})
	go func() { p.log.follow(stderr); close(logged) }()
	_ = cmd.Wait()
	<-logged
	_ = stderr.Close()
	p.state = cmd.ProcessState.String()
	close(p.ended)
}

// starting keeps two programs from changing dumpability at one time.
var starting sync.Mutex

// startMapped starts a program in a user namespace of its own. Who the program is there
// can only be written while its process, until then a copy of the daemon, may be dumped: a
// daemon that may not be is one that may for this moment, its limit of core images, which
// is nothing, stays.
func startMapped(cmd *exec.Cmd) error {
	starting.Lock()
	defer starting.Unlock()
	was, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if was != 1 {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return err
		}
		defer unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(was), 0, 0, 0)
	}
	return cmd.Start()
}

// notStarted tells a file that does not run from a kernel that refuses.
func notStarted(err error) error {
	for _, unfit := range []error{unix.ENOENT, unix.ENOEXEC, unix.EACCES, unix.ELOOP, unix.E2BIG} {
		if errors.Is(err, unfit) {
			return fmt.Errorf("trainer.program: %w: it does not run: %w", ErrProgram, err)
		}
	}
	return fmt.Errorf("trainer.program: %w: %w: user, network, process and IPC namespaces must be allowed "+
		"(sysctl user.max_user_namespaces, user.max_net_namespaces and so on; AppArmor's restriction of user namespaces)", ErrIsolation, err)
}

// limit sets the limits of a process that stopped before its first instruction, and lets
// it go.
func limit(pid int, memory int64) error {
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return fmt.Errorf("wait for exec: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("the program ended before its first instruction")
	}
	for _, l := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_AS, uint64(memory)}, {unix.RLIMIT_FSIZE, maxFileBytes}, {unix.RLIMIT_NOFILE, maxFiles},
		{unix.RLIMIT_NPROC, maxProcesses}, {unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}, nil); err != nil {
			return fmt.Errorf("resource %d: %w", l.resource, err)
		}
	}
	return unix.PtraceDetach(pid)
}

// isolation has the program start as the first process of its own namespaces: no network,
// not even the loopback of the machine, and no rights over the daemon. It stops before its
// first instruction, and dies with the daemon.
func isolation() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	inside := func(id int) int {
		if uid == 0 {
			return nobody
		}
		return id
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: inside(uid), HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: inside(gid), HostID: gid, Size: 1}},
		Pdeathsig:   syscall.SIGKILL, Setsid: true, Ptrace: true,
	}
}
