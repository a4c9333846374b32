package he

// chunk is the number of coefficients that are worked on at a time between
// transforms.
const chunk = 512

// scratch is the working memory of one goroutine.
type scratch struct {
	residues [][]uint64 // one polynomial for each prime
	words    [3][]uint64
	noise    []int16
	bytes    []byte
	rejected []int32
}

func newScratch(t *tables) *scratch {
	n := t.layout.degree
	s := &scratch{noise: make([]int16, n), bytes: make([]byte, 8*chunk+8), rejected: make([]int32, 0, n)}
	for i := range s.words {
		s.words[i] = make([]uint64, chunk)
	}
	for range t.primes {
		s.residues = append(s.residues, make([]uint64, n))
	}
	return s
}

func (t *tables) borrow() *scratch { return t.scratch.Get().(*scratch) }

// giveBack erases what is secret before another use.
func (t *tables) giveBack(s *scratch) {
	clear(s.noise)
	clear(s.bytes)
	for _, w := range s.words {
		clear(w)
	}
	for _, r := range s.residues {
		clear(r)
	}
	t.scratch.Put(s)
}
