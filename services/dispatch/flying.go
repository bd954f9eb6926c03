package dispatch

import (
	"sync"
	"time"
)

// flying knows the notifications that this process is working at, and when it saw which.
type flying struct {
	mu    sync.Mutex // guards what follows
	now   map[string]bool
	seen  map[string]time.Time
	began time.Time
}

// begin tells whether nobody in this process is working at it; then the caller is.
func (f *flying) begin(id string, at time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[id] = at
	if f.now[id] {
		return false
	}
	f.now[id] = true
	return true
}

// busy tells whether somebody in this process is working at it.
func (f *flying) busy(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now[id]
}

func (f *flying) end(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, id)
}

// over forgets that a finished one was seen.
func (f *flying) over(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, id)
}

// missing tells whether it was not seen since the time, although this process looked
// for as long.
func (f *flying) missing(id string, since time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began.Before(since) && f.seen[id].Before(since)
}

// forget drops what was seen before the time.
func (f *flying) forget(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, at := range f.seen {
		if at.Before(before) {
			delete(f.seen, id)
		}
	}
}
