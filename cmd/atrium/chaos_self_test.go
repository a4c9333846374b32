package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// The tests in this file show that a run would see what it looks for.

// TestFaultsFollowFromTheSeed: the same seed gives the same faults, another one others.
func TestFaultsFollowFromTheSeed(t *testing.T) {
	victims := []victim{{demoCoordinator, []faultKind{faultKill, faultPause}}, {"hospital-0", []faultKind{faultCut, faultRefuse}}}
	plan := func(seed uint64) (all []fault) {
		for round := range uint64(50) {
			all = append(all, faultsOf(seed, round, victims)...)
		}
		return all
	}
	if !slices.Equal(plan(1), plan(1)) || slices.Equal(plan(1), plan(2)) || len(plan(1)) < 20 {
		t.Errorf("%d faults", len(plan(1)))
	}
}

func TestTallySeesWhatIsWrong(t *testing.T) {
	roster := []federation.HospitalID{"h-a", "h-b", "h-c", "h-d"}
	charter := federation.Charter{Groups: [][]federation.HospitalID{roster}}
	updates := func(n int) (list []round.Held) {
		for _, id := range roster[:n] {
			list = append(list, round.Held{Hospital: id})
		}
		return list
	}
	unreadable := roster[3:]
	for _, c := range []struct {
		name                         string
		r                            round.Round
		e                            round.Entry
		found                        []int
		summed, leftOut, lost, twice int
	}{
		{"all there", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster}}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 1}, 4, 0, 0, 0},
		{"one did not submit", round.Round{Updates: updates(3), S: [][]federation.HospitalID{roster[:3]}}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 0}, 3, 0, 0, 0},
		{"one is missing", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster}}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 0}, 3, 0, 1, 0},
		{"one is there twice", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster}}, round.Entry{Groups: []int{0}}, []int{1, 2, 1, 1}, 3, 0, 0, 1},
		{"one is there unasked", round.Round{Updates: updates(3), S: [][]federation.HospitalID{roster[:3]}}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 1}, 3, 0, 0, 1},
		{"one is not in S", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster[:3]}}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 0}, 3, 0, 1, 0},
		{"one was unreadable", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster[:3]}, Dropped: unreadable}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 0}, 3, 1, 0, 0},
		{"one was unreadable and is there", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster[:3]}, Dropped: unreadable}, round.Entry{Groups: []int{0}}, []int{1, 1, 1, 1}, 3, 0, 0, 1},
		{"the group is left out", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster}}, round.Entry{Reason: "noise"}, []int{0, 0, 0, 0}, 0, 4, 0, 0},
		{"the group is left out without a word", round.Round{Updates: updates(4), S: [][]federation.HospitalID{roster}}, round.Entry{}, []int{0, 0, 0, 0}, 0, 0, 4, 0},
	} {
		s := tally{outcomes: map[string]int{}}
		s.published(c.e, c.r, charter, roster, c.found)
		if s.summed != c.summed || s.leftOut != c.leftOut || s.lost != c.lost || s.twice != c.twice || len(s.wrong) != c.lost+c.twice {
			t.Errorf("%s: %d summed, %d left out, %d lost, %d twice: want %d, %d, %d, %d", c.name, s.summed, s.leftOut, s.lost, s.twice, c.summed, c.leftOut, c.lost, c.twice)
		}
	}
	s := tally{outcomes: map[string]int{}, ended: map[uint64]string{}}
	s.abandoned(round.Entry{}, round.Round{Updates: updates(3)})
	if s.lost != 3 {
		t.Errorf("a round abandoned without a word lost %d", s.lost)
	}
}

func TestSumsSayWhoIsInThem(t *testing.T) {
	const hospitals = 4
	base := make([]float32, hospitals*oneHotSlots+1)
	at := func(hospital int) int { return place(hospital, base) }
	for _, c := range []struct {
		name  string
		found []int       // by records
		ones  map[int]int // by index
		want  []int
	}{
		{"all", []int{1, 1, 1, 1}, map[int]int{at(0): 1, at(1): 1, at(2): 1, at(3): 1}, []int{1, 1, 1, 1}},
		{"without one", []int{1, 0, 1, 1}, map[int]int{at(0): 1, at(2): 1, at(3): 1}, []int{1, 0, 1, 1}},
		{"one twice", []int{2, 1, 1, 1}, map[int]int{at(0): 2, at(1): 1, at(2): 1, at(3): 1}, []int{2, 1, 1, 1}},
		{"one as another", []int{1, 1, 1, 1}, map[int]int{at(0): 2, at(2): 1, at(3): 1}, []int{2, 0, 1, 1}},
		{"one for another question", []int{1, 1, 1, 1}, map[int]int{at(0): 1, at(1): 1, at(2): 1, at(3) ^ 1: 1}, []int{1, 1, 1, 2}},
		{"one without its records", []int{0, 1, 1, 1}, map[int]int{at(0): 1, at(1): 1, at(2): 1, at(3): 1}, []int{2, 1, 1, 1}},
	} {
		weight := 0
		for i, n := range c.found {
			weight += n * chaosRows(i)
		}
		found, err := byRows(float64(weight), hospitals)
		if err != nil || !slices.Equal(found, c.found) {
			t.Errorf("%s: %d records are %v, %v: want %v", c.name, weight, found, err, c.found)
		}
		after := slices.Clone(base)
		for i, n := range c.ones {
			after[i] += float32(n*chaosRows(i/oneHotSlots)) / float32(weight)
		}
		if got, err := byPlace(base, after, float64(weight), found); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v: want %v", c.name, got, err, c.want)
		}
		after[5] += 0.3 * float32(chaosRows(0)) / float32(weight)
		if got, err := byPlace(base, after, float64(weight), found); err == nil {
			t.Errorf("%s: a third of a hospital is %v", c.name, got)
		}
	}
	if found, err := byRows(845, hospitals); err == nil {
		t.Errorf("845 records are %v", found)
	}
}

// TestTallyBelievesTheHospital: what a hospital was told is acknowledged must be in the log.
func TestTallyBelievesTheHospital(t *testing.T) {
	in, out := federation.Sum([]byte("in")), federation.Sum([]byte("out"))
	log := filepath.Join(t.TempDir(), "log")
	lines := ""
	for _, d := range []federation.Digest{in, out} {
		lines += `{"level":"DEBUG","msg":"update acknowledged","submission":"` + d.String() + "\"}\n"
	}
	if err := os.WriteFile(log, []byte(lines+`{"level":"DEBUG","msg":"upda`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := tally{updates: map[logged]bool{{"h-a", in}: true, {"h-b", out}: true}}
	if err := s.acknowledgedTo("h-a", log); err != nil || s.lost != 1 || s.told != 2 {
		t.Errorf("%d lost of %d, %v: want 1 of 2", s.lost, s.told, err)
	}
}

// TestProxy: bytes pass, wait, and are refused.
func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // an echo
			}()
		}
	}()
	p, err := newProxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := make(chan error, 4) // the forgotten connection says something when it is closed
	send := func(c net.Conn) {
		if _, err := c.Write([]byte("x")); err != nil {
			echo <- err
			return
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		echo <- err
	}
	send(c)
	if err := <-echo; err != nil {
		t.Fatal(err)
	}
	p.set(silent)
	go send(c)
	select {
	case err := <-echo:
		t.Fatalf("the echo came through: %v", err)
	case <-time.After(50 * time.Millisecond): // one that came through would be there
	}
	p.set(passing)
	if err := <-echo; err != nil {
		t.Fatalf("after the cut: %v", err)
	}
	p.forget()
	go send(c)
	select {
	case err := <-echo:
		t.Fatalf("a forgotten connection says %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	again, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if send(again); <-echo != nil {
		t.Error("a new connection does not answer")
	}
	p.set(refusing)
	if send(again); <-echo == nil {
		t.Error("a closed connection answers")
	}
	third, err := net.Dial("tcp", p.address())
	if err == nil {
		defer third.Close()
		_, err = io.ReadFull(third, make([]byte, 1))
	}
	if err == nil {
		t.Error("a refused connection answers")
	}
}
