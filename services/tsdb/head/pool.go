package head

import (
	"math/bits"
	"sync"
)

const (
	minClass = 6  // 64 words
	maxClass = 20 // 1 Mi words; larger blocks are not pooled
)

// block is memory for a number of rows.
type block struct {
	next *block
	data []uint64 // whole rows, then a rest too short for one
}

// Pool keeps blocks for further use. It is safe for concurrent use.
type Pool struct {
	mu    sync.Mutex // guards all below
	free  [maxClass + 1][]*block
	words int
	limit int
}

// NewPool returns a pool that keeps blocks of at most limit bytes.
func NewPool(limit int) *Pool { return &Pool{limit: limit / 8} }

// get returns a block of at least the given number of words.
func (p *Pool) get(words int) *block {
	class := max(bits.Len(uint(words-1)), minClass)
	if class > maxClass {
		return &block{data: make([]uint64, words)}
	}
	if b := p.take(class); b != nil {
		return b
	}
	return &block{data: make([]uint64, 1<<class)} // outside the lock: others need not wait
}

// take returns a block of the class that was put back, nil if there is none.
func (p *Pool) take(class int) *block {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.free[class]
	last := len(list) - 1
	if last < 0 {
		return nil
	}
	b := list[last]
	list[last] = nil // or it would keep alive what the pool later lets go
	p.free[class] = list[:last]
	p.words -= len(b.data)
	return b
}

// put takes back a chain of blocks.
func (p *Pool) put(b *block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b != nil {
		next := b.next
		b.next = nil
		if class := bits.Len(uint(len(b.data) - 1)); class <= maxClass && p.words+len(b.data) <= p.limit {
			p.free[class] = append(p.free[class], b)
			p.words += len(b.data)
		}
		b = next
	}
}
