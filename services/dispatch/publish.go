package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const (
	// publishBatch is how many notifications are read from the outbox at a time.
	publishBatch = 100
	// minPause and failurePause bound how long something that failed rests.
	minPause     = 100 * time.Millisecond
	failurePause = time.Second
)

// publish hands notifications from the outbox to the queue until ctx ends. Every
// process does so: that some are handed over twice is harmless.
func (d *Dispatch) publish(ctx context.Context) {
	p := publisher{Dispatch: d}
	poll := time.NewTicker(d.cfg.PollInterval)
	defer poll.Stop()
	for ctx.Err() == nil {
		n, err := p.some(ctx)
		if ctx.Err() != nil {
			return
		}
		d.trouble("hand notifications to the queue", err)
		switch {
		case err != nil:
			d.metrics.publishFailures.Inc()
			_ = pause(ctx, failurePause)
			continue
		case n == publishBatch:
			continue
		}
		select {
		case <-d.wake:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// publisher hands notifications to the queue.
type publisher struct {
	*Dispatch

	refused *alert.Notification // what the queue did not take last
}

// some hands over a batch in its order, up to the first that fails. Where there is
// nothing, because all was delivered past a queue that refused, the queue is tried with
// what it refused: it hands it out to be found finished.
func (d *publisher) some(ctx context.Context) (int, error) {
	batch, err := d.deps.Outbox.Unpublished(ctx, publishBatch)
	if err != nil {
		return 0, fmt.Errorf("read the outbox: %w", err)
	}
	if len(batch) == 0 {
		if d.refused == nil || d.refusing.Load() == 0 {
			return 0, nil
		}
		return 0, d.put(ctx, d.refused)
	}
	var ids []string
	for i := range batch {
		if err = d.put(ctx, &batch[i]); err != nil {
			d.refused = &alert.Notification{ID: batch[i].ID, Receiver: batch[i].Receiver, Order: batch[i].Order, Seq: batch[i].Seq}
			break
		}
		ids = append(ids, batch[i].ID)
	}
	d.metrics.published.Add(float64(len(ids)))
	if len(ids) > 0 {
		if markErr := d.deps.Outbox.Published(ctx, ids); markErr != nil {
			return 0, fmt.Errorf("note in the outbox what the queue has: %w", markErr)
		}
	}
	return len(ids), err
}

// put hands one to the queue.
func (d *Dispatch) put(ctx context.Context, n *alert.Notification) error {
	d.refusing.CompareAndSwap(0, d.deps.Now().UnixMilli())
	if err := d.deps.Queue.Put(ctx, message(n)); err != nil {
		return fmt.Errorf("put notification %s: %w", n.ID, err)
	}
	d.refusing.Store(0)
	return nil
}
