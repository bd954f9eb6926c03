package head

// Words returns how many words the pool keeps, and how many blocks that is.
func (p *Pool) Words() (words, blocks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counted := 0
	for class, list := range p.free {
		for _, b := range list {
			if b.next != nil || len(b.data) != 1<<class {
				panic("a block in the pool is chained or of another class")
			}
			counted += len(b.data)
		}
		blocks += len(list)
	}
	if counted != p.words {
		panic("the pool has counted wrongly")
	}
	return counted, blocks
}

// LargestPooled is the number of words of the largest block that is pooled.
const LargestPooled = 1 << maxClass
