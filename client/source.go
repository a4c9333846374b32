package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// Source is the records of a hospital as it uses them in one federation. What was answered
// from them in any federation is remembered beside them: two sums of the same thing over
// hospitals that are not the same give away whoever is in one of them only, and no charter
// and no custodian sees both.
type Source struct {
	dir        string // state directory of this federation
	configured federation.Charter
	parts      []sourcePart
}

// ErrElsewhere: what is asked was answered from the same records in another federation,
// and their owner did not say that both may have it.
var ErrElsewhere = errors.New("these records answered in another federation")

// SourceConfig is what a Source follows from.
type SourceConfig struct {
	Train, Test string
	Folder      string // of the memory; empty: beside the records
	State       string
	Charter     federation.Charter // that the configuration names
}

// OpenSource marks records and shows that their memory can be read and written.
func OpenSource(c SourceConfig) (*Source, error) {
	parts, err := markRecords(c.Folder, c.Train, c.Test)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := openMemory(p.Folder); err != nil {
			return nil, err
		}
	}
	return &Source{dir: c.State, configured: c.Charter, parts: parts}, nil
}

// charters lists those that this hospital followed in this federation, the one in force
// last: its configuration's, and those that its daemon took up because a person here
// approved them. What a charter itself says about the one before is no sign.
func (s *Source) charters() ([]federation.Charter, error) {
	list := []federation.Charter{s.configured}
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "charter-") || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		c, err := readCharter(filepath.Join(s.dir, e.Name()), federation.DecodeCharter)
		if err != nil {
			return nil, err
		}
		if c.Federation == s.configured.Federation && c.Digest() != s.configured.Digest() {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b federation.Charter) int { return int(a.Epoch) - int(b.Epoch) })
	return list, nil
}

func digestsOf(charters []federation.Charter) (list []federation.Digest) {
	for _, c := range charters {
		list = append(list, c.Digest())
	}
	return list
}

// may refuses things that were answered elsewhere without a word: [ErrElsewhere].
func (s *Source) may(things []string) error {
	charters, err := s.charters()
	if err != nil {
		return err
	}
	for _, p := range s.parts {
		m, err := readMemory(p.Folder)
		if err == nil {
			err = m.refuse(p, digestsOf(charters), things)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m sourceMemory) refuse(p sourcePart, own []federation.Digest, things []string) error {
	for _, a := range m.others(p.Marks, own) {
		at := slices.IndexFunc(a.Things, func(t string) bool { return slices.Contains(things, t) })
		if at < 0 {
			continue
		}
		if w, c := m.spoken(p.Marks, a, own[len(own)-1]); w == nil {
			return fmt.Errorf("%w: %s was answered in federation %s, charter %s: the data owner's word for both is missing: atrium hospital source allow %s",
				ErrElsewhere, a.Things[at], a.Federation, c.Short(), a.Federation)
		}
	}
	return nil
}

// answer is may, and remembers durably that the things are answered here from now on, in
// one step: of two daemons that ask at the same time one is refused.
func (s *Source) answer(self federation.HospitalID, things []string) error {
	return s.remember(self, things, true)
}

func (s *Source) remember(self federation.HospitalID, things []string, refuse bool) error {
	charters, err := s.charters()
	if err != nil {
		return err
	}
	own, changed := digestsOf(charters), false
	for _, p := range s.parts {
		err := changeMemory(p.Folder, func(m *sourceMemory) (bool, error) {
			if refuse {
				if err := m.refuse(p, own, things); err != nil {
					return false, err
				}
			}
			added := m.add(SourceAnswer{Federation: s.configured.Federation, Hospital: self, Charters: own, Marks: p.Marks, Things: things, Since: federation.FormatTime(time.Now())})
			changed = changed || added
			if !added {
				return false, nil
			}
			return true, keepCharters(p.Folder, charters)
		})
		if err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return s.keep(things)
}

// keepCharters keeps charters beside a memory, for who is asked for a word later.
func keepCharters(folder string, charters []federation.Charter) error {
	for _, c := range charters {
		name := sourceCharterFile(c.Digest())
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			continue
		}
		if err := keepFile(folder, name, federation.Encode(c)); err != nil {
			return err
		}
	}
	return nil
}

// keptSource is the state directory's own copy of what was answered in its federation,
// from which a memory that is lost or moved is filled again, and where that lies.
type keptSource struct {
	V        int                 `json:"v"` // 1
	Charters []federation.Digest `json:"charters"`
	Parts    []sourcePart        `json:"parts"`
	Things   []string            `json:"things"`
}

const keptSourceFile = "source.json"

func readKeptSource(dir string) (keptSource, error) {
	path := filepath.Join(dir, keptSourceFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return keptSource{}, err
	}
	k, err := federation.Decode[keptSource](b, maxSourceBytes)
	if err == nil && (k.V != 1 || len(k.Charters) == 0 || len(k.Things) > maxSourceThings) {
		err = fmt.Errorf("format %d under %d charters with %d things", k.V, len(k.Charters), len(k.Things))
	}
	if err != nil {
		return k, fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	return k, nil
}

// keep adds to the copy.
func (s *Source) keep(things []string) error {
	charters, err := s.charters()
	if err != nil {
		return err
	}
	before, err := readKeptSource(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next := keptSource{V: 1, Charters: digestsOf(charters), Parts: s.parts, Things: union(before.Things, things)}
	return keepFile(s.dir, keptSourceFile, federation.Encode(next))
}

// restore brings what this federation answered before into the memory, also where it lies
// in another place now or was lost.
func (s *Source) restore(self federation.HospitalID) error {
	if err := local.MakeFolders(s.dir); err != nil {
		return err
	}
	before, err := readKeptSource(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(before.Things) > 0 {
		if err := s.remember(self, before.Things, false); err != nil {
			return err
		}
	}
	return s.keep(nil)
}
