package index

// Mark is which pairs an index had at some time. The zero Mark is that of an index
// that is not known.
type Mark struct {
	collected uint64 // how often pairs were forgotten
	made      uint64 // how many pairs were made
}

// mostNewest is how many pairs may have been made since a mark for them to be looked at
// one by one: of more, finding all that match anew takes about as long.
const mostNewest = 1024

// Candidates is for those who ask for the same again and again and keep what they got:
// it calls visit with the pairs that have matching columns, whether these have rows or
// not, and that were made since the mark. With all set it called it with every such pair
// there is, because too much has changed since, and what was got before is void. It
// returns the mark to go on from. What holds for visit in [Index.Select] holds here.
func (x *Index) Candidates(ms []Matcher, since Mark, visit func(p *Pair, columns []int)) (now Mark, all bool, err error) {
	if x.mark() == since {
		return since, false, nil
	}
	s, err := newSelection(x, ms, func(p *Pair, columns []int) bool { visit(p, columns); return true })
	if err != nil {
		return since, false, err
	}
	defer s.release()
	x.mu.RLock()
	defer x.mu.RUnlock()
	now = x.markLocked()
	newest, known := x.madeSince(since)
	if !known {
		s.all()
		return now, true, nil
	}
	for _, p := range newest {
		s.one(p)
	}
	return now, false, nil
}

func (x *Index) mark() Mark {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.markLocked()
}

func (x *Index) markLocked() Mark { return Mark{x.collected, x.made} }

// madeSince returns the pairs that were made since the mark, if they are all there is
// of news and still known.
func (x *Index) madeSince(since Mark) (newest []*Pair, known bool) {
	n := x.made - since.made
	if since.collected != x.collected || n > uint64(len(x.newest)) {
		return nil, false
	}
	return x.newest[uint64(len(x.newest))-n:], true
}

// noteMade notes that a pair was made.
func (x *Index) noteMade(p *Pair) {
	x.made++
	if len(x.newest) == 2*mostNewest {
		x.newest = x.newest[:copy(x.newest, x.newest[mostNewest:])]
	}
	x.newest = append(x.newest, p)
}

// noteCollected notes that pairs were forgotten.
func (x *Index) noteCollected() {
	x.collected++
	x.newest = nil
}
