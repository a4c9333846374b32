package external

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"atrium/coordinator/federation"
)

// Program is what a hospital's configuration says about its trainer.
type Program struct {
	Path    string            // an executable file, or a script that begins with #!
	SHA256  federation.Digest // of its bytes
	Base    string            // the file that the plan's model.base names; empty: none
	Seconds int               // of one task; 0: DefaultSeconds
	Memory  int64             // bytes of addresses of each of its processes (RLIMIT_AS); 0: DefaultMemory
}

var (
	// ErrProgram says that the program or its base is not the one that was named.
	ErrProgram = errors.New("not the program or base that was named")
	// ErrIsolation says that this machine cannot run the program as it must be run.
	ErrIsolation = errors.New("this machine cannot run a program without network")
	// ErrProtocol says that the program answered what the protocol does not allow.
	ErrProtocol = errors.New("answer is not of the protocol")
	// ErrRefused says that the program refused a task in words.
	ErrRefused = errors.New("the program refuses")
	// ErrEnded says that the program ended, or had to be ended, before it answered.
	ErrEnded = errors.New("the program ended")
)

// baseFD is where the program finds its base.
const baseFD = "/proc/self/fd/4"

// Check reports what is wrong with a program for a plan, by configuration key.
func (p Program) Check(plan federation.Plan) error {
	base := plan.Model.Base
	switch {
	case p.Path == "":
		return errors.New("trainer.program is missing: the plan's model is external")
	case !filepath.IsAbs(p.Path):
		return fmt.Errorf("trainer.program %s: want an absolute path", p.Path)
	case p.SHA256.IsZero():
		return errors.New("trainer.sha256 is missing")
	case p.Seconds < 0 || p.Seconds > MaxSeconds:
		return fmt.Errorf("trainer.seconds %d: want 1 to %d", p.Seconds, MaxSeconds)
	case p.Memory != 0 && p.Memory < MinMemory:
		return fmt.Errorf("trainer.memory_mib %d: want %d or more", p.Memory>>20, int64(MinMemory)>>20)
	case base != "" && p.Base == "":
		return fmt.Errorf("trainer.base is missing: the plan's model builds on a file with SHA-256 %s", base)
	case base == "" && p.Base != "":
		return fmt.Errorf("trainer.base %s: the plan's model builds on no file", p.Base)
	}
	return nil
}

func (p Program) limit() time.Duration {
	if p.Seconds == 0 {
		return DefaultSeconds * time.Second
	}
	return time.Duration(p.Seconds) * time.Second
}

func (p Program) memory() int64 {
	if p.Memory == 0 {
		return DefaultMemory
	}
	return p.Memory
}

// openHashed opens a file and copies it to w, if w is not nil, and refuses it unless its
// digest is the one that a key asks for.
func openHashed(path, key, want string, w io.Writer, limit int64) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", key, ErrProgram, err)
	}
	hash := sha256.New()
	if w == nil {
		w = io.Discard
	}
	n, err := io.Copy(io.MultiWriter(hash, w), io.LimitReader(f, limit+1))
	got := federation.Digest(hash.Sum(nil)).String()
	switch {
	case err != nil:
		err = fmt.Errorf("%s %s: %w: %w", key, path, ErrProgram, err)
	case n > limit:
		err = fmt.Errorf("%s %s: %w: more than %d bytes", key, path, ErrProgram, limit)
	case got != want:
		err = fmt.Errorf("%s %s: %w: its SHA-256 is %s, want %s", key, path, ErrProgram, got, want)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}
