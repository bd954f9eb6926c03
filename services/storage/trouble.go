package storage

import (
	"fmt"
	"sync"
	"time"
)

// trouble is what goes wrong at the moment, and since when.
type trouble struct {
	mu    sync.Mutex // guards what follows
	err   error
	since time.Time
}

// note takes note of how a try ended.
func (t *trouble) note(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.err == nil {
		t.since = now
	}
	t.err = err
}

// report returns what goes wrong as an error that begins with what, nil if nothing
// does.
func (t *trouble) report(what string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		return nil
	}
	return fmt.Errorf("%s since %s: %w", what, t.since.UTC().Format(time.RFC3339), t.err)
}

// lasts tells whether something has gone wrong for so long.
func (t *trouble) lasts(d time.Duration, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil && now.Sub(t.since) >= d
}
