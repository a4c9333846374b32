package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"atrium/client/participant"
	"atrium/coordinator/federation"
)

// journal is the hospital's durable memory: one line an entry, "<crc32 in hex> <entry>",
// fsynced before anything that depends on it is sent. It is owned by the daemon's
// goroutine and locked against a second daemon.
type journal struct {
	file  *os.File
	path  string
	size  int64                                   // bytes
	base  int64                                   // of what was kept when it was compacted last
	write func(file *os.File, lines []byte) error // writeLines but in tests
}

// JournalFile is the journal's name in the state directory.
const JournalFile = "journal"

// Errors of a journal that cannot be used.
var (
	ErrJournal = errors.New("journal is damaged")
	ErrLocked  = errors.New("another daemon uses this state directory")
)

// openJournal opens or creates the journal of a state directory and replays it, unless a
// restore broke off there: [ErrRestoring].
func openJournal(dir string, state participant.State) (*journal, participant.State, error) {
	if err := checkRestored(dir); err != nil {
		return nil, state, err
	}
	return loadJournal(dir, state)
}

// loadJournal opens or creates a journal and replays it. A last line that a crash cut
// short is removed: what it recorded was never sent.
func loadJournal(dir string, state participant.State) (*journal, participant.State, error) {
	path := filepath.Join(dir, JournalFile)
	file, err := lockFile(path)
	if err != nil {
		return nil, state, err
	}
	j := &journal{file: file, path: path, write: writeLines}
	state, end, err := j.replay(state)
	if err == nil && state.Awaited > 0 {
		err = fmt.Errorf("%s: %w: %d lines are missing of what was kept", path, ErrJournal, state.Awaited)
	}
	if err != nil {
		return nil, state, errors.Join(err, file.Close())
	}
	j.size = end
	if err := errors.Join(file.Truncate(end), file.Sync(), syncDir(dir)); err != nil {
		return nil, state, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(end, io.SeekStart); err != nil {
		return nil, state, errors.Join(err, file.Close())
	}
	return j, state, nil
}

// lockFile opens or creates the journal and locks it. The file that is locked is the one
// that has the name: a daemon that compacts its journal puts another in its place.
func lockFile(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), file.Close())
		}
		locked, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		named, err := os.Stat(path)
		if err == nil && os.SameFile(locked, named) {
			return file, nil
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
}

// replay applies every whole line and returns where the last one ends.
func (j *journal) replay(state participant.State) (participant.State, int64, error) {
	reader := bufio.NewReaderSize(j.file, 1<<16)
	var end int64
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return state, end, nil // what is left has no newline: it was cut short
		}
		if err != nil {
			return state, end, err
		}
		entry, err := decodeLine(line)
		if err == nil {
			state, err = participant.Apply(state, entry)
		}
		if err != nil {
			return state, end, fmt.Errorf("%s:%d: %w: %w", j.path, number, ErrJournal, err)
		}
		end += int64(len(line))
	}
}

func decodeLine(line []byte) (participant.Entry, error) {
	sum, body, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !ok || err != nil || len(sum) != 8 || len(line) > maxJournalLine || crc32.ChecksumIEEE(body) != uint32(want) {
		return participant.Entry{}, errors.New("checksum does not match")
	}
	return participant.DecodeEntry(body)
}

// add persists entries; when it returns nil they survive a loss of power.
func (j *journal) add(entries []participant.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	lines, err := encodeLines(entries)
	if err == nil {
		err = j.write(j.file, lines)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", j.path, err)
	}
	j.size += int64(len(lines))
	return nil
}

func encodeLines(entries []participant.Entry) ([]byte, error) {
	var lines []byte
	for _, e := range entries {
		body := federation.Encode(e)
		if len(body) > participant.MaxEntryBytes {
			return nil, fmt.Errorf("entry %s of %d bytes could not be read again: %w", e.Kind, len(body), ErrJournal)
		}
		lines = fmt.Appendf(lines, "%08x %s\n", crc32.ChecksumIEEE(body), body)
	}
	return lines, nil
}

func writeLines(file *os.File, lines []byte) error {
	if _, err := file.Write(lines); err != nil {
		return err
	}
	return file.Sync()
}

func (j *journal) close() error { return j.file.Close() }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
