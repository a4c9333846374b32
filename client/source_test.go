package client

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// owners is a charter of a federation over hospitals, each of them a letter that is its
// name and decides about its key.
func owners(t *testing.T, name, hospitals string, names bool) federation.Charter {
	t.Helper()
	var members []federation.Member
	for _, h := range hospitals {
		public := ed25519.NewKeyFromSeed(append(make([]byte, 31), byte(h))).Public().(ed25519.PublicKey)
		m := federation.Member{ID: federation.NewHospitalID(name, public), IdentityKey: public, TLSKey: federation.Digest{byte(h)}}
		if names {
			m.Name = string(h)
		}
		members = append(members, m)
	}
	c, err := federation.NewCharter(name, "log", members, names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// desk is a folder of records and the state directories of federations over them.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk {
	d := desk{t, t.TempDir()}
	d.write("train.csv", "age,chol\n1,2\n")
	d.write("test.csv", "age,chol\n3,4\n")
	return d
}

func (d desk) file(name string) string { return filepath.Join(d.dir, name) }

func (d desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.file(name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// source is what a federation's daemon opens.
func (d desk) source(c federation.Charter, change ...func(*SourceConfig)) *Source {
	d.t.Helper()
	cfg := SourceConfig{Train: d.file("train.csv"), Test: d.file("test.csv"), State: d.file("state-" + c.Digest().Short()), Charter: c}
	for _, f := range change {
		f(&cfg)
	}
	s, err := OpenSource(cfg)
	if err == nil {
		err = s.restore("h-a")
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d desk) answers(s *Source, things ...string) {
	d.t.Helper()
	if err := errors.Join(s.may(things), s.answer("h-a", things)); err != nil {
		d.t.Error(err)
	}
}

func (d desk) declines(s *Source, things ...string) {
	d.t.Helper()
	for _, err := range []error{s.may(things), s.answer("h-a", things)} {
		if !errors.Is(err, ErrElsewhere) {
			d.t.Errorf("%v: %v", things, err)
		}
	}
}

func (d desk) allow(s *Source, name string) {
	d.t.Helper()
	v, err := s.View()
	if err != nil {
		d.t.Fatal(err)
	}
	others, err := v.Named(name)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, o := range others {
		if err := s.Allow(o, "a person"); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestSourceKnowsItsRecords: whichever way the same records come back, they are known;
// other records are not.
func TestSourceKnowsItsRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		come func(d desk, c *SourceConfig)
		same bool
	}{
		{"the same files", func(desk, *SourceConfig) {}, true},
		{"a row appended", func(d desk, _ *SourceConfig) { d.write("train.csv", "age,chol\n1,2\n5,6\n") }, true},
		{"replaced by an export of other bytes", func(d desk, _ *SourceConfig) {
			must(d.t, os.Remove(d.file("train.csv")))
			d.write("train.csv", "other bytes")
		}, true},
		{"a symbolic link in another folder", func(d desk, c *SourceConfig) {
			c.Train = filepath.Join(d.t.TempDir(), "other.csv")
			must(d.t, os.Symlink(d.file("train.csv"), c.Train))
		}, true},
		{"a hard link, appended to", func(d desk, c *SourceConfig) {
			c.Train = d.file("linked.csv")
			must(d.t, os.Link(d.file("train.csv"), c.Train))
			d.write("linked.csv", "age,chol\n1,2\n5,6\n")
		}, true},
		{"a copy", func(d desk, c *SourceConfig) {
			c.Train = d.file("copy.csv")
			d.write("copy.csv", "age,chol\n1,2\n")
		}, true},
		{"training records used for tests", func(d desk, c *SourceConfig) {
			c.Train, c.Test = d.file("other.csv"), c.Train
			d.write("other.csv", "x")
		}, true},
		{"other records", func(d desk, c *SourceConfig) {
			c.Train, c.Test = d.file("other.csv"), d.file("other_test.csv")
			d.write("other.csv", "age,chol\n7,8\n")
			d.write("other_test.csv", "age,chol\n9,8\n")
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.answers(d.source(owners(t, "first", "abcd", true)), "number of records")
			second := d.source(owners(t, "second", "abc", true), func(cfg *SourceConfig) { c.come(d, cfg) })
			if c.same {
				d.declines(second, "number of records")
			} else {
				d.answers(second, "number of records")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSourceFolder: where data.source names a folder, copies in different places are known.
func TestSourceFolder(t *testing.T) {
	here, there := newDesk(t), newDesk(t)
	folder := func(c *SourceConfig) { c.Folder = here.file("memory") }
	here.answers(here.source(owners(t, "first", "abcd", true), folder), "number of records")
	there.declines(there.source(owners(t, "second", "abc", true), folder), "number of records")
	info, err := os.Stat(here.file("memory/" + sourceFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the memory: %v, %v", info, err)
	}
}

// TestSourceIsNoName: two federations of one name are two, and only what is the same is
// declined.
func TestSourceIsNoName(t *testing.T) {
	d := newDesk(t)
	d.answers(d.source(owners(t, "same", "abcd", true)), "number of records", "training on num")
	second := d.source(owners(t, "same", "abc", true))
	d.declines(second, "number of records")
	d.declines(second, "training on sex", "training on num")
	d.answers(second, "evaluation on num")
}

// TestSourceWord: a word holds for both federations, for the two charters over which it was
// given and no other, and is remembered.
func TestSourceWord(t *testing.T) {
	d := newDesk(t)
	firstCharter := owners(t, "first", "abcd", true)
	first, second := d.source(firstCharter), d.source(owners(t, "second", "abc", true))
	d.answers(first, "number of records")
	d.allow(second, "first")
	d.answers(second, "number of records", "training on num")
	d.answers(first, "training on num")
	third := d.source(owners(t, "third", "abe", true))
	d.declines(third, "training on num")
	d.allow(third, "first")
	d.declines(third, "training on num") // second answered it too
	d.allow(third, "second")
	d.answers(third, "training on num")

	// The first goes over to another charter: it is the same federation, and what others
	// answered wants another word.
	next := firstCharter
	next.Epoch, next.Previous, next.Closings = 2, firstCharter.Digest(), []federation.Digest{{1}}
	must(t, keepFile(first.dir, charterFile(2), federation.Encode(next)))
	d.answers(first, "evaluation on num")
	d.declines(first, "training on num")
	d.declines(second, "evaluation on num") // answered under a charter over which there is no word
	d.allow(first, "second")
	d.declines(first, "training on num")
	d.allow(first, "third")
	d.answers(first, "training on num")
	d.answers(second, "evaluation on num")
	v, err := second.View()
	if err != nil || len(v.Others) != 2 || v.Others[0].Word == nil || v.Others[0].Word.By != "a person" || v.Others[1].Word == nil {
		t.Errorf("%+v, %v", v, err)
	}
	again, err := ReadSource(second.dir)
	if err != nil || len(again.Others) != 2 || !slices.Equal(again.Things, v.Things) {
		t.Errorf("by the state directory: %+v, %v", again, err)
	}
}

// TestSourceAtTheSameTime: of federations that ask at once, one is answered.
func TestSourceAtTheSameTime(t *testing.T) {
	d := newDesk(t)
	var sources []*Source
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		sources = append(sources, d.source(owners(t, name, "abc", true)))
	}
	errs := make([]error, len(sources))
	var group sync.WaitGroup
	for i, s := range sources {
		group.Go(func() { errs[i] = s.answer("h-a", []string{"number of records"}) })
	}
	group.Wait()
	answered := 0
	for _, err := range errs {
		if err == nil {
			answered++
		} else if !errors.Is(err, ErrElsewhere) {
			t.Error(err)
		}
	}
	if answered != 1 {
		t.Errorf("%d were answered", answered)
	}
}

// TestSourceLost: a memory that is gone comes back from the state directories; one that is
// damaged, or cannot be written, is an error at the start.
func TestSourceLost(t *testing.T) {
	d := newDesk(t)
	first, second := owners(t, "first", "abcd", true), owners(t, "second", "abc", true)
	d.answers(d.source(first), "number of records")
	must(t, os.RemoveAll(d.file(sourceFolder)))
	d.source(first)
	d.declines(d.source(second), "number of records")

	path := filepath.Join(d.dir, sourceFolder, sourceFile)
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, b[:len(b)-1], 0o600))
	cfg := SourceConfig{Train: d.file("train.csv"), Test: d.file("test.csv"), State: d.file("state"), Charter: second}
	if _, err := OpenSource(cfg); !errors.Is(err, ErrSource) {
		t.Errorf("damaged: %v", err)
	}
	must(t, os.RemoveAll(d.file(sourceFolder)))
	d.write(sourceFolder, "no folder")
	if _, err := OpenSource(cfg); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "data.source names a folder") {
		t.Errorf("in the way: %v", err)
	}
	must(t, os.Remove(d.file(sourceFolder)))
	must(t, os.Mkdir(d.file(sourceFolder), 0o700))
	must(t, os.Chmod(d.file(sourceFolder), 0o777))
	if _, err := OpenSource(cfg); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "others can change it") {
		t.Errorf("open to all: %v", err)
	}
}

// TestSourceThings: what is asked has the name of the hospital's own column.
func TestSourceThings(t *testing.T) {
	plan := plans.Cardiology()
	want := sourceThings(plan, nil, federation.Statistics)
	own := plan.Features[2].Name
	plan.Features = slices.Clone(plan.Features)
	plan.Features[2].Name, plan.Features[2].Min = "renamed", -1000
	got := sourceThings(plan, []dataset.Column{{Name: "renamed", From: own, Scale: 2}}, federation.Statistics)
	if !slices.Equal(got, want) || !slices.Contains(got, "mean and deviation of "+own) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSourceWords: who becomes known is said by names where both charters show them.
func TestSourceWords(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second federation.Charter
		want          []string
	}{
		{"names", owners(t, "first", "abcd", true), owners(t, "second", "abce", true),
			[]string{"  in both: ", "  in second here and not there: e", "  in first there and not here: d"}},
		{"the same names with other keys", renamed(owners(t, "first", "abcd", true), "d", "e"), owners(t, "second", "abce", true),
			[]string{"  in both by name, with other keys: only their people know whether they are the same: e"}},
		{"no names", owners(t, "first", "abcd", false), owners(t, "second", "abc", true),
			[]string{"  in first there and not here: h-", "a charter shows no names"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.answers(d.source(c.first), "number of records")
			s := d.source(c.second)
			v, err := s.View()
			must(t, err)
			words, err := s.Words(v.Others[0])
			must(t, err)
			text := strings.Join(words, "\n")
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in\n%s", w, text)
				}
			}
		})
	}
}

func renamed(c federation.Charter, from, to string) federation.Charter {
	for i, m := range c.Members {
		if m.Name == from {
			c.Members[i].Name = to
		}
	}
	return c
}

// TestSourceIsBounded: records that are replaced every day keep their place in mind.
func TestSourceIsBounded(t *testing.T) {
	marks := []string{pathMark + "/records"}
	for range maxSourceMarks + 10 {
		marks = append(marks, "sha256:"+strings.Repeat("x", len(marks)%7))
	}
	got := boundMarks(slices.Clone(marks))
	if len(got) != maxSourceMarks || got[0] != marks[0] || got[len(got)-1] != marks[len(marks)-1] {
		t.Errorf("%d marks", len(got))
	}
}

// FuzzSource: a memory is refused, or is encoded again as it was.
func FuzzSource(f *testing.F) {
	good := sourceMemory{V: 1, Answered: []SourceAnswer{{Federation: "first", Hospital: "h-a", Charters: []federation.Digest{{1}}, Marks: []string{"path:/x"},
		Things: []string{"number of records"}, Since: "2026-03-01T08:00:00.000Z"}},
		Words: []SourceWord{{Marks: []string{"path:/x"}, Charters: [2]federation.Digest{{1}, {2}}, By: "a person", At: "2026-03-01T08:00:00.000Z"}}}
	f.Add(federation.Encode(good))
	f.Add(federation.Encode(sourceMemory{V: 1}))
	f.Add([]byte(`{"v":1,"answered":null,"words":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMemory(b)
		if err == nil && !bytes.Equal(federation.Encode(m), b) {
			t.Errorf("%q is encoded as %q", b, federation.Encode(m))
		}
	})
}
