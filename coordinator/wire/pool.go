package wire

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// Pool is a mem.BufferPool whose buffers are not cleared before they are used again: one
// of a process's own peers wrote what is in them, and gRPC overwrites every byte that it
// hands out.
type Pool struct{ sizes [bits.UintSize]sync.Pool } // by log2 of the capacity

var _ mem.BufferPool = (*Pool)(nil)

// Get implements mem.BufferPool.
func (p *Pool) Get(length int) *[]byte {
	class := bits.Len(uint(max(length, 1) - 1))
	if b, ok := p.sizes[class].Get().(*[]byte); ok {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, 1<<class)
	return &b
}

// Put implements mem.BufferPool.
func (p *Pool) Put(b *[]byte) {
	if c := cap(*b); c > 0 && c <= maxPooled && c&(c-1) == 0 {
		p.sizes[bits.Len(uint(c)-1)].Put(b)
	}
}
