package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

const (
	// sweepEvery is how often ended certificates and forgotten agents are looked
	// for.
	sweepEvery = time.Minute
	purgeMost  = 1000
	// flushTimeout bounds the last flush, when the process ends.
	flushTimeout = 10 * time.Second
)

// Run stores acknowledgements every few seconds, ends sessions whose certificate
// ended, forgets what is long over and follows what other processes change, until
// ctx ends. Then it stores the rest.
func (r *Registry) Run(ctx context.Context) error {
	var following sync.WaitGroup
	if r.shared != nil {
		following.Go(func() { r.follow(ctx) })
	}
	r.upkeep(ctx)
	following.Wait()
	return r.last(ctx)
}

func (r *Registry) upkeep(ctx context.Context) {
	flush := time.NewTicker(r.cfg.FlushInterval)
	defer flush.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
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

// last stores the rest, and then tells the others that this node ends.
func (r *Registry) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	err := r.flush(ctx)
	if r.shared == nil || r.shared.instance == "" {
		return err
	}
	return errors.Join(err, r.shared.nodes.leave(ctx, r.shared.instance))
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
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	before := r.now().Add(-r.cfg.ForgetAfter)
	if err := r.store.PurgeTokens(ctx, before); err != nil {
		return err
	}
	ids, err := r.store.PurgeAgents(ctx, before, purgeMost)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if e, ok := r.known(id); ok {
			r.remove(e)
		}
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
