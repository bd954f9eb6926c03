package control

import "context"

// flushMost bounds one transaction of acknowledgements.
const flushMost = 1000

// maxClosed bounds the ended sessions that are kept while the database takes
// nothing. The agents of others are shown as connected until they come back.
const maxClosed = 100_000

// flush stores what was acknowledged since the last one. What could not be
// stored stays for the next.
func (r *Registry) flush(ctx context.Context) error {
	r.dirtyMu.Lock()
	all := r.dirty
	r.dirty = nil
	r.dirtyMu.Unlock()
	for len(all) > 0 {
		n := min(len(all), flushMost)
		if err := r.saveSeen(ctx, takeSeen(all[:n])); err != nil {
			r.putBack(all[:n], all[n:])
			return err
		}
		all = all[n:]
	}
	return r.flushClosed(ctx)
}

func (r *Registry) saveSeen(ctx context.Context, seen []Seen) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return r.store.SaveSeen(ctx, seen)
}

// takeSeen reads what is to be stored. The mark goes first: an acknowledgement
// that comes between marks the entry anew.
func takeSeen(entries []*entry) []Seen {
	seen := make([]Seen, len(entries))
	for i, e := range entries {
		e.dirty.Store(false)
		seen[i] = e.seen()
	}
	return seen
}

func (e *entry) seen() Seen {
	return Seen{ID: e.id, Confirmed: e.confirmed.Load(), LastAck: fromMilli(e.lastAck.Load()), SkewMS: e.skewMS.Load()}
}

// putBack lists entries again. Those that were taken may have been listed anew
// meanwhile; the others still carry their mark.
func (r *Registry) putBack(taken, rest []*entry) {
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	for _, e := range taken {
		if e.dirty.CompareAndSwap(false, true) {
			r.dirty = append(r.dirty, e)
		}
	}
	r.dirty = append(r.dirty, rest...)
}

// confirm stores soon that the agents of new sessions have stored their counters:
// until then, other collectors cannot tell a copy from one whose welcome was lost.
func (r *Registry) confirm(ctx context.Context) error {
	r.dirtyMu.Lock()
	all := r.confirming
	r.confirming = nil
	r.dirtyMu.Unlock()
	for len(all) > 0 {
		n := min(len(all), flushMost)
		seen := make([]Seen, n)
		for i, e := range all[:n] {
			seen[i] = e.seen()
		}
		if err := r.saveSeen(ctx, seen); err != nil {
			r.dirtyMu.Lock()
			defer r.dirtyMu.Unlock()
			r.confirming = append(r.confirming, all...)
			return err
		}
		all = all[n:]
	}
	return nil
}

// noteClosed keeps that a session ended by itself, until it is stored.
func (r *Registry) noteClosed(id, session string) {
	if r.shared == nil || r.shared.instance == "" {
		return
	}
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	if len(r.closed) >= maxClosed {
		return
	}
	r.closed = append(r.closed, Closed{ID: id, Session: session})
}

// flushClosed stores which sessions ended. What could not be stored stays for the
// next time.
func (r *Registry) flushClosed(ctx context.Context) error {
	r.dirtyMu.Lock()
	all := r.closed
	r.closed = nil
	r.dirtyMu.Unlock()
	for len(all) > 0 {
		n := min(len(all), flushMost)
		if err := r.saveClosed(ctx, all[:n]); err != nil {
			r.dirtyMu.Lock()
			defer r.dirtyMu.Unlock()
			r.closed = append(r.closed, all...)
			return err
		}
		all = all[n:]
	}
	return nil
}

func (r *Registry) saveClosed(ctx context.Context, closed []Closed) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return r.store.SaveClosed(ctx, closed)
}
