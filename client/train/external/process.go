package external

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// process is a started program.
type process struct {
	in    *os.File // its standard input
	out   *os.File // its standard output
	lines *bufio.Reader
	kill  func()        // ends it with all that it started; harmless when it has ended
	ended chan struct{} // closed when it and all that it started have ended
	state string        // how it ended, once ended is closed
	asked int64
	log   *stderrLog
}

// ask sends one task and returns its answer. On every error but ErrRefused the process must
// not be asked again.
func (p *process) ask(ctx context.Context, q request, limit time.Duration) (reply, error) {
	p.asked++
	q.ID = p.asked
	line, err := encodeRequest(q)
	if err != nil {
		return reply{}, err
	}
	p.log.renew()
	deadline := time.Now().Add(limit)
	if err := errors.Join(p.in.SetWriteDeadline(deadline), p.out.SetReadDeadline(deadline)); err != nil {
		return reply{}, err
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	if _, err := p.in.Write(line); err != nil {
		return reply{}, p.failed(ctx, q, limit, err)
	}
	line, err = p.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return reply{}, fmt.Errorf("%s: %w: line of more than %d bytes", q.Do, ErrProtocol, MaxLine)
	}
	if err != nil {
		return reply{}, p.failed(ctx, q, limit, err)
	}
	r, err := decodeReply(line)
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("%s: %w", q.Do, err)
	case r.ID != q.ID:
		return reply{}, fmt.Errorf("%s: %w: id %d answers task %d", q.Do, ErrProtocol, r.ID, q.ID)
	case p.lines.Buffered() > 0:
		return reply{}, fmt.Errorf("%s: %w: more than one line", q.Do, ErrProtocol)
	case r.Error != "":
		return reply{}, fmt.Errorf("%s: %w: %s", q.Do, ErrRefused, r.Error)
	}
	return r, nil
}

// failed says why a task has no answer.
func (p *process) failed(ctx context.Context, q request, limit time.Duration, err error) error {
	p.kill()
	<-p.ended
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", q.Do, ctx.Err())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: %w: no answer within %s (trainer.seconds)", q.Do, ErrEnded, limit)
	}
	return fmt.Errorf("%s: %w: %s", q.Do, ErrEnded, p.state)
}

// close kills the process and waits until nothing of it is left.
func (p *process) close() error {
	p.kill()
	<-p.ended
	return errors.Join(p.in.Close(), p.out.Close())
}

// stderrLog hands on lines of the program's standard error, within bounds.
type stderrLog struct {
	say  func(line string)
	left atomic.Int64
	lost atomic.Int64
}

// renew allows as many lines again, for another task.
func (l *stderrLog) renew() { l.left.Store(maxStderrLines) }

// follow reads until the other end is closed. Long lines are cut.
func (l *stderrLog) follow(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxStderrLine)
	for {
		line, err := lines.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			l.tell(text, cut)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			if n := l.lost.Load(); n > 0 {
				l.say(fmt.Sprintf("%d more lines", n))
			}
			return
		}
	}
}

func (l *stderrLog) tell(text string, cut bool) {
	if l.left.Add(-1) < 0 {
		l.lost.Add(1)
		return
	}
	if cut {
		text += "…"
	}
	l.say(strings.ToValidUTF8(text, "\uFFFD"))
}

// environment is all that the program sees of the daemon's.
func environment(dir string) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8"}
}
