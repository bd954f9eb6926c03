package index

import (
	"sync/atomic"
	"time"
)

// Definitions come by every few minutes, and not every time need be noted or
// stored. What is known of the last sight is at most noteStep behind, what is
// stored of it storeStep more.
const (
	noteStep  = int64(3 * time.Hour / time.Millisecond)
	storeStep = int64(6 * time.Hour / time.Millisecond)
)

// sight is when a definition came by last, and what of that is stored.
type sight struct {
	seen   atomic.Int64 // Unix milliseconds
	saved  int64        // what of seen is stored. Guarded by Index.mu, as all below
	stored bool         // the definition is stored
	listed bool         // the definition stands in the index's list of what to store
}

// again tells whether the sight is worth noting.
func (s *sight) again(seen int64) bool { return seen-s.seen.Load() >= noteStep }

// see notes a sight and tells whether the definition must be listed. It needs
// Index.mu.
func (s *sight) see(seen int64) bool {
	s.seen.Store(max(s.seen.Load(), seen))
	return s.list()
}

func (s *sight) list() bool {
	if s.listed || !s.stale() {
		return false
	}
	s.listed = true
	return true
}

// unlist tells whether the definition need not be listed any more.
func (s *sight) unlist() bool {
	s.listed = s.stale()
	return !s.listed
}

// stale tells whether the definition has to be stored.
func (s *sight) stale() bool { return !s.stored || s.seen.Load()-s.saved >= storeStep }

// restore notes what is stored.
func (s *sight) restore(seen int64) {
	s.seen.Store(max(s.seen.Load(), seen))
	s.save(seen)
}

func (s *sight) save(seen int64) { s.saved, s.stored = max(s.saved, seen), true }

// unseen tells whether the definition, which is stored, surely did not come by
// at the time or later.
func (s *sight) unseen(since int64) bool {
	return !s.listed && s.seen.Load() < since-noteStep-storeStep
}
