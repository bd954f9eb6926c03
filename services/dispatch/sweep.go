package dispatch

import (
	"context"
	"fmt"
	"time"
)

const (
	// countEvery is how often it is counted what waits.
	countEvery = 15 * time.Second
	// sweepEvery is how often it is looked for notifications that the queue lost.
	sweepEvery = 10 * time.Minute
	// lostAfter is for how long one must be due and not seen.
	lostAfter = 45 * time.Minute
	// sweepPage and sweepPages bound a look.
	sweepPage, sweepPages = 500, 400
)

// watch counts what waits, and finds what the queue lost, until ctx ends.
func (d *Dispatch) watch(ctx context.Context) {
	count, sweep := time.NewTicker(countEvery), time.NewTicker(sweepEvery)
	defer count.Stop()
	defer sweep.Stop()
	for {
		err := d.count(ctx)
		if ctx.Err() != nil {
			return
		}
		d.trouble("count what waits", err)
		select {
		case <-count.C:
		case <-sweep.C:
			err := d.sweep(ctx)
			if ctx.Err() == nil {
				d.trouble("look for lost notifications", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (d *Dispatch) count(ctx context.Context) error {
	counts, err := d.deps.Outbox.Counts(ctx)
	if err != nil {
		return fmt.Errorf("count notifications: %w", err)
	}
	d.counts.Store(&counts)
	d.gates.keep(d.deps.Receivers())
	return nil
}

// sweep hands those to the queue again that are due for long and did not come out of
// it: somebody deleted it, or it was lost with a disk. Of each order only the first is
// looked at, for the others wait for it. That one is in the queue twice, if it is there
// after all, is harmless.
func (d *Dispatch) sweep(ctx context.Context) error {
	since := d.deps.Now().Add(-lostAfter)
	d.flying.forget(since)
	first, err := d.firstWaiting(ctx)
	if err != nil {
		return err
	}
	for _, n := range first {
		due := time.UnixMilli(max(n.Created, n.Next))
		if !due.Before(since) || !d.flying.missing(n.ID, since) {
			continue
		}
		if err := d.put(ctx, &n); err != nil {
			return err
		}
		d.metrics.recovered.Inc()
		d.log.Warn("a notification was lost by the queue and is handed to it again", "notification", n.ID, "receiver", n.Receiver)
	}
	return nil
}
