package control

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

const (
	// flushMost bounds one transaction of acknowledgements.
	flushMost = 1000
	// sweepEvery is how often ended certificates and forgotten agents are looked
	// for.
	sweepEvery = time.Minute
	purgeMost  = 1000
	// flushTimeout bounds the last flush, when the process ends.
	flushTimeout = 10 * time.Second
)

// Run stores acknowledgements every few seconds, ends sessions whose certificate
// ended and forgets what is long over, until ctx ends. Then it stores the rest.
func (r *Registry) Run(ctx context.Context) error {
	flush := time.NewTicker(r.cfg.FlushInterval)
	defer flush.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.lastFlush(ctx)
		case <-flush.C:
			if err := r.flush(ctx); err != nil && ctx.Err() == nil {
				r.log.ErrorContext(ctx, "storing acknowledgements of agents failed, will try again", "error", err, "after", r.cfg.FlushInterval)
			}
		case <-sweep.C:
			r.endExpired(r.now())
			if err := r.purge(ctx); err != nil && ctx.Err() == nil {
				r.log.ErrorContext(ctx, "forgetting old agents and tokens failed, will try again", "error", err, "after", sweepEvery)
			}
		}
	}
}

func (r *Registry) lastFlush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	return r.flush(ctx)
}

// flush stores what was acknowledged since the last one. What could not be
// stored stays for the next.
func (r *Registry) flush(ctx context.Context) error {
	r.dirtyMu.Lock()
	all := r.dirty
	r.dirty = nil
	r.dirtyMu.Unlock()
	for len(all) > 0 {
		n := min(len(all), flushMost)
		if err := r.store.SaveSeen(ctx, takeSeen(all[:n])); err != nil {
			r.putBack(all[:n], all[n:])
			return err
		}
		all = all[n:]
	}
	return nil
}

// takeSeen reads what is to be stored. The mark goes first: an acknowledgement
// that comes between marks the entry anew.
func takeSeen(entries []*entry) []Seen {
	seen := make([]Seen, len(entries))
	for i, e := range entries {
		e.dirty.Store(false)
		seen[i] = Seen{ID: e.id, Confirmed: e.confirmed.Load(), LastAck: fromMilli(e.lastAck.Load()), SkewMS: e.skewMS.Load()}
	}
	return seen
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

// endExpired ends the sessions whose certificate ended while they were open.
func (r *Registry) endExpired(now time.Time) {
	for _, e := range r.entries() {
		e.mu.Lock()
		if s := e.session; s != nil && !s.end.IsZero() && now.After(s.end) {
			s.finish(fault.New(fault.Unauthenticated, "certificate_expired", "the certificate that agent %s opened this stream with ended at %s: renew it and connect again",
				e.id, s.end.UTC().Format(time.RFC3339)))
		}
		e.mu.Unlock()
	}
}

// purge forgets agents that cannot come back, and ended tokens.
func (r *Registry) purge(ctx context.Context) error {
	before := r.now().Add(-r.cfg.ForgetAfter)
	if err := r.store.PurgeTokens(ctx, before); err != nil {
		return err
	}
	ids, err := r.store.PurgeAgents(ctx, before, purgeMost)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.agents, id)
	}
	return nil
}

// entries returns all entries as they are now.
func (r *Registry) entries() []*entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*entry, 0, len(r.agents))
	for _, e := range r.agents {
		all = append(all, e)
	}
	return all
}
