package relay

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// seenFor is for how long a relay is remembered of which nothing comes.
	seenFor = 7 * 24 * time.Hour
	// maxSeen bounds how many are remembered. Each has an identity of the platform.
	maxSeen = 1000
)

// Seen are the relays that came to a collector lately. The zero value has none; it is
// safe for concurrent use.
type Seen struct {
	mu  sync.Mutex // guards all
	all map[string]*SeenRelay
}

// SeenRelay is one of them.
type SeenRelay struct {
	Name   string
	Agents int       // whose streams it passes on here now
	Last   time.Time // when something came that was not the data of an agent
}

// came notes that the relay called, and that so many streams began or ended.
func (s *Seen) came(name string, now time.Time, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[name]
	if r == nil {
		if len(s.all) >= maxSeen {
			return
		}
		if s.all == nil {
			s.all = map[string]*SeenRelay{}
		}
		r = &SeenRelay{Name: name}
		s.all[name] = r
	}
	r.Agents, r.Last = max(0, r.Agents+streams), now
}

// List returns those of which something came lately, by name.
func (s *Seen) List(now time.Time) []SeenRelay {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []SeenRelay
	for name, r := range s.all {
		if r.Agents == 0 && now.Sub(r.Last) > seenFor {
			delete(s.all, name)
			continue
		}
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b SeenRelay) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
