package client

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
)

// SourceOther is another federation that has answers from the same records.
type SourceOther struct {
	Federation string              `json:"federation"`
	Charters   []federation.Digest `json:"charters"`
	Things     []string            `json:"things"`
	Since      string              `json:"since"`
	Word       *SourceWord         `json:"word"` // over the charter in force and each of Charters; null: one is missing
}

// SourceView is what a person wants to know of the memory of records.
type SourceView struct {
	Folders []string      `json:"folders"` // where it lies
	Things  []string      `json:"things"`  // answered in this federation
	Others  []SourceOther `json:"others"`
}

// ErrNoOther: no other federation of that name has answers from these records.
var ErrNoOther = errors.New("no such federation answered from these records")

// View reads the memory.
func (s *Source) View() (SourceView, error) {
	charters, err := s.charters()
	if err != nil {
		return SourceView{}, err
	}
	return viewOf(s.parts, digestsOf(charters))
}

// ReadSource reads the memory as the daemon of a state directory knew it last, while it
// runs too; fs.ErrNotExist before it ran.
func ReadSource(dir string) (SourceView, error) {
	k, err := readKeptSource(dir)
	if err != nil {
		return SourceView{}, err
	}
	return viewOf(k.Parts, k.Charters)
}

func viewOf(parts []sourcePart, own []federation.Digest) (SourceView, error) {
	var v SourceView
	for _, p := range parts {
		v.Folders = append(v.Folders, p.Folder)
		m, err := readMemory(p.Folder)
		if err != nil {
			return v, err
		}
		for _, a := range m.Answered {
			switch {
			case !overlap(a.Marks, p.Marks):
			case a.same(own):
				v.Things = union(v.Things, a.Things)
			default:
				w, _ := m.spoken(p.Marks, a, own[len(own)-1])
				v.add(a, w)
			}
		}
	}
	return v, nil
}

// add joins what lies in several folders.
func (v *SourceView) add(a SourceAnswer, w *SourceWord) {
	i := slices.IndexFunc(v.Others, func(o SourceOther) bool { return overlap(o.Charters, a.Charters) })
	if i < 0 {
		v.Others = append(v.Others, SourceOther{a.Federation, a.Charters, a.Things, a.Since, w})
		return
	}
	o := &v.Others[i]
	o.Charters, o.Things = union(o.Charters, a.Charters), union(o.Things, a.Things)
	if w == nil {
		o.Word = nil
	}
}

// Named lists the other federations of a name, or the one with a charter whose digest
// begins so. [ErrNoOther].
func (v SourceView) Named(name string) ([]SourceOther, error) {
	var list []SourceOther
	for _, o := range v.Others {
		if o.Federation == name || len(name) >= 8 && slices.ContainsFunc(o.Charters, func(c federation.Digest) bool { return strings.HasPrefix(c.String(), name) }) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrNoOther, name)
	}
	return list, nil
}

// Expected is a federation that has no answer yet from these records, for a word that is
// given before it begins.
func (s *Source) Expected(c federation.Charter) (SourceOther, error) {
	own, err := s.charters()
	if err != nil {
		return SourceOther{}, err
	}
	if slices.Contains(digestsOf(own), c.Digest()) {
		return SourceOther{}, fmt.Errorf("%w: charter %s is this one's own", ErrNoOther, c.Digest().Short())
	}
	for _, p := range s.parts {
		if err := keepCharters(p.Folder, []federation.Charter{c}); err != nil {
			return SourceOther{}, err
		}
	}
	return SourceOther{Federation: c.Federation, Charters: []federation.Digest{c.Digest()}}, nil
}

// Words says what becomes known where this federation answers what another one answered.
func (s *Source) Words(o SourceOther) ([]string, error) {
	charters, err := s.charters()
	if err != nil {
		return nil, err
	}
	here := charters[len(charters)-1]
	lines := []string{fmt.Sprintf("These records answered nothing yet in federation %s.", o.Federation)}
	if len(o.Things) > 0 {
		lines = []string{fmt.Sprintf("These records answered in federation %s since %s: %s.", o.Federation, o.Since, strings.Join(o.Things, ", "))}
	}
	for _, digest := range o.Charters {
		there, err := s.charterOf(digest)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%s, charter %s of epoch %d, beside %s, charter %s of epoch %d:", here.Federation, here.Digest().Short(), here.Epoch,
			there.Federation, digest.Short(), there.Epoch))
		lines = append(lines, rosterDifference(here, there)...)
	}
	return append(lines, "Whoever has both sums of one thing takes one from the other: the difference is theirs who are in one and not in the other. If that is one hospital, it is its record count, its means and deviations, its update and its confusion counts, as they are; if they are several, the sum of theirs.",
		"Whoever is missing from one of the two sums, for a night too, counts as not in it: also this hospital.",
		"The word holds for all that both federations ask, until one of them has another charter."), nil
}

// charterOf reads a charter from beside a memory.
func (s *Source) charterOf(digest federation.Digest) (c federation.Charter, err error) {
	for _, p := range s.parts {
		c, err = readCharter(filepath.Join(p.Folder, sourceCharterFile(digest)), federation.DecodeCharter)
		if err == nil && c.Digest() != digest {
			return c, fmt.Errorf("%w: charter %s is %s", ErrSource, digest.Short(), c.Digest().Short())
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return c, err
}

// rosterDifference says who is in one of two charters and not in the other. An identity key
// shows that a hospital is the same; a name in both charters is the centre's word.
func rosterDifference(here, there federation.Charter) (lines []string) {
	add := func(words string, list []string) {
		if len(list) > 0 {
			lines = append(lines, "  "+words+": "+strings.Join(list, ", "))
		}
	}
	onlyHere, named, both := compareRosters(here, there)
	onlyThere, _, _ := compareRosters(there, here)
	add("in both", both)
	add("in both by name, with other keys: only their people know whether they are the same", named)
	add("in "+here.Federation+" here and not there", onlyHere)
	add("in "+there.Federation+" there and not here", onlyThere)
	if !here.ShowNames || !there.ShowNames {
		lines = append(lines, "  a charter shows no names: who has another key in each is listed on both sides")
	}
	return lines
}

func compareRosters(a, b federation.Charter) (only, named, both []string) {
	for _, m := range a.Members {
		shown := string(m.ID)
		if a.ShowNames && m.Name != "" {
			shown = m.Name
		}
		switch {
		case slices.ContainsFunc(b.Members, func(o federation.Member) bool { return o.Fingerprint() == m.Fingerprint() }):
			both = append(both, shown)
		case a.ShowNames && m.Name != "" && slices.ContainsFunc(b.Members, func(o federation.Member) bool { return o.Name == m.Name }):
			named = append(named, shown)
		default:
			only = append(only, shown)
		}
	}
	return only, named, both
}

// Allow writes the word of the records' owner down: this federation, under the charter in
// force and those before, and the other one may both have what both ask.
func (s *Source) Allow(o SourceOther, by string) error {
	charters, err := s.charters()
	if err != nil {
		return err
	}
	at := federation.FormatTime(time.Now())
	for _, p := range s.parts {
		err := changeMemory(p.Folder, func(m *sourceMemory) (bool, error) {
			for _, here := range digestsOf(charters) {
				for _, there := range o.Charters {
					m.Words = append(m.Words, SourceWord{Marks: p.Marks, Charters: SourceWord{}.pair(here, there), By: by, At: at})
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
