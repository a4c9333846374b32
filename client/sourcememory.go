package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// sourceMemory is the file that says what was answered from the records of a folder, in
// which federation, and which words their owner gave. It belongs to the records: daemons
// of several federations read and write it, one at a time, and it is replaced whole.
type sourceMemory struct {
	V        int            `json:"v"` // 1
	Answered []SourceAnswer `json:"answered"`
	Words    []SourceWord   `json:"words"`
}

// SourceAnswer is what one hospital answered from records in one federation.
type SourceAnswer struct {
	Federation string                `json:"federation"`
	Hospital   federation.HospitalID `json:"hospital"` // its pseudonym there
	Charters   []federation.Digest   `json:"charters"` // of the epochs that it followed
	Marks      []string              `json:"marks"`    // of the records; see [markFile]
	Things     []string              `json:"things"`   // what left, in the words of [sourceThings]
	Since      string                `json:"since"`
}

// SourceWord is the data owner's word that the same may be answered from records under both
// of two charters of different federations.
type SourceWord struct {
	Marks    []string             `json:"marks"`    // of the records
	Charters [2]federation.Digest `json:"charters"` // the smaller first
	By       string               `json:"by"`
	At       string               `json:"at"`
}

// Names in the folder of a memory.
const (
	sourceFile = "answered.json"
	sourceLock = "lock"
)

// ErrSource: what was answered from the records cannot be remembered, or the memory of it
// cannot be read.
var ErrSource = errors.New("memory of what these records answered")

func sourceCharterFile(d federation.Digest) string { return "charter-" + d.String() + ".json" }

// openMemory makes the folder of a memory if it is absent, and shows that it can be
// written: a protection that cannot be kept is an error at the start.
func openMemory(folder string) error {
	err := local.MakeFolders(folder)
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(folder); err == nil && info.Mode().Perm()&0o022 != 0 {
			err = fmt.Errorf("mode %v: others can change it", info.Mode().Perm())
		}
	}
	if err == nil {
		err = changeMemory(folder, func(*sourceMemory) (bool, error) { return false, syncDir(folder) })
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w: data.source names a folder for it that only this user can write, the same for every federation over these records", ErrSource, folder, err)
	}
	return nil
}

// changeMemory lets change alter a memory while nobody else does, and makes that durable
// where change says that it did.
func changeMemory(folder string, change func(*sourceMemory) (bool, error)) error {
	lock, err := os.OpenFile(filepath.Join(folder, sourceLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // and with it the lock
	for {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	m, err := readMemory(folder)
	if err != nil {
		return err
	}
	changed, err := change(&m)
	if err != nil || !changed {
		return err
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, folder, err)
	}
	b := federation.Encode(m)
	if len(b) > maxSourceBytes {
		return fmt.Errorf("%w: %s: full with %d bytes", ErrSource, folder, len(b))
	}
	return keepFile(folder, sourceFile, b)
}

// readMemory reads a memory; one that is not there yet is empty.
func readMemory(folder string) (sourceMemory, error) {
	path := filepath.Join(folder, sourceFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sourceMemory{V: 1}, nil
	}
	if err != nil {
		return sourceMemory{}, err
	}
	m, err := decodeMemory(b)
	if err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	return m, nil
}

func decodeMemory(b []byte) (sourceMemory, error) {
	m, err := federation.Decode[sourceMemory](b, maxSourceBytes)
	if err != nil {
		return sourceMemory{}, err
	}
	return m, m.check()
}

func (m sourceMemory) check() error {
	if m.V != 1 || len(m.Answered) > maxSourceAnswers || len(m.Words) > maxSourceWords {
		return fmt.Errorf("format %d with %d federations and %d words", m.V, len(m.Answered), len(m.Words))
	}
	for _, a := range m.Answered {
		if err := a.check(); err != nil {
			return err
		}
	}
	for _, w := range m.Words {
		if _, err := federation.ParseTime(w.At); err != nil || w.By == "" || len(w.By) > maxSourceName || w.pair(w.Charters[0], w.Charters[1]) != w.Charters ||
			len(w.Marks) == 0 || len(w.Marks) > maxSourceMarks {
			return fmt.Errorf("word of %.40q at %.40q over charters %s and %s", w.By, w.At, w.Charters[0].Short(), w.Charters[1].Short())
		}
	}
	return nil
}

func (a SourceAnswer) check() error {
	_, err := federation.ParseTime(a.Since)
	switch {
	case err != nil || !federation.ValidName(a.Federation) || a.Hospital == "" || len(a.Hospital) > maxSourceName:
		return fmt.Errorf("federation %.40q, hospital %.40q, since %.40q", a.Federation, a.Hospital, a.Since)
	case len(a.Charters) == 0 || len(a.Charters) > maxSourceCharters || slices.ContainsFunc(a.Charters, federation.Digest.IsZero):
		return fmt.Errorf("federation %s under %d charters", a.Federation, len(a.Charters))
	case len(a.Marks) == 0 || len(a.Marks) > maxSourceMarks || len(a.Things) > maxSourceThings:
		return fmt.Errorf("federation %s with %d marks and %d things", a.Federation, len(a.Marks), len(a.Things))
	}
	return nil
}

// same reports whether this answer is of a federation that followed one of these charters.
// Its name is no sign: a research centre can give two federations one name.
func (a SourceAnswer) same(charters []federation.Digest) bool { return overlap(a.Charters, charters) }

func (SourceWord) pair(a, b federation.Digest) [2]federation.Digest {
	if strings.Compare(a.String(), b.String()) > 0 {
		a, b = b, a
	}
	return [2]federation.Digest{a, b}
}

// word returns the newest word over records and two charters, or nil.
func (m sourceMemory) word(marks []string, a, b federation.Digest) *SourceWord {
	for _, w := range slices.Backward(m.Words) {
		if w.Charters == w.pair(a, b) && overlap(w.Marks, marks) {
			return &w
		}
	}
	return nil
}

// others lists what was answered from records with these marks in other federations than
// the one that follows these charters.
func (m sourceMemory) others(marks []string, own []federation.Digest) []SourceAnswer {
	var list []SourceAnswer
	for _, a := range m.Answered {
		if !a.same(own) && overlap(a.Marks, marks) {
			list = append(list, a)
		}
	}
	return list
}

// spoken is the newest word over records, a charter in force and all charters of another
// federation; nil, and a charter without one, where one is missing.
func (m sourceMemory) spoken(marks []string, a SourceAnswer, inForce federation.Digest) (last *SourceWord, missing federation.Digest) {
	for _, c := range a.Charters {
		w := m.word(marks, inForce, c)
		if w == nil {
			return nil, c
		}
		if last == nil || w.At > last.At {
			last = w
		}
	}
	return last, federation.Digest{}
}

// add notes an answer beside what the same hospital answered in the same federation
// before, and says whether that is new.
func (m *sourceMemory) add(a SourceAnswer) bool {
	i := slices.IndexFunc(m.Answered, func(b SourceAnswer) bool { return b.Hospital == a.Hospital && b.same(a.Charters) })
	if i < 0 {
		m.Answered = append(m.Answered, a)
		return true
	}
	was := m.Answered[i]
	next := was
	next.Charters, next.Things = union(was.Charters, a.Charters), union(was.Things, a.Things)
	next.Marks = boundMarks(union(was.Marks, a.Marks))
	m.Answered[i] = next
	return len(next.Charters) != len(was.Charters) || len(next.Things) != len(was.Things) || !slices.Equal(next.Marks, was.Marks)
}

func overlap[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(v T) bool { return slices.Contains(b, v) })
}

// union is a with what b has besides, in order; it shares nothing with a.
func union[T comparable](a, b []T) []T {
	a = slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(a, v)
		}
	}
	return a
}
