package he

import (
	"sync"
)

// split calls do on consecutive parts of blocks [first, last), each in its own
// goroutine where p has several workers, and returns the error of the first
// part that has one.
func (p *Parameters) split(first, last int, do func(first, last int) error) error {
	parts := min(p.workers, last-first)
	if parts <= 1 {
		return do(first, last)
	}
	errs := make([]error, parts)
	var group sync.WaitGroup
	for i := range parts {
		from, to := first+i*(last-first)/parts, first+(i+1)*(last-first)/parts
		group.Go(func() { errs[i] = do(from, to) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
