package index

// ActiveSeries returns how many series belong to pairs that had a row at the
// time or later, Unix milliseconds.
func (x *Index) ActiveSeries(since int64) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := 0
	for _, p := range x.byRef {
		if p != nil && p.maxT.Load() >= since {
			n += p.Width()
		}
	}
	return n
}
