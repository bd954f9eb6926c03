package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const (
	// directAfter is for how long the queue must take nothing before notifications are
	// delivered past it: long enough for a broker that elects a leader.
	directAfter = 5 * time.Second
	// directEvery is how often it is then looked for what is due.
	directEvery = time.Second
)

// direct delivers from the outbox while the queue takes nothing: a broker that is away,
// blocked, or without a majority holds up nobody. The outbox says who may deliver what,
// as it does for what comes out of the queue; what the queue has, too, it hands out
// later to find it finished.
func (d *Dispatch) direct(ctx, work, note context.Context) {
	ticker := time.NewTicker(directEvery)
	defer ticker.Stop()
	past := false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if refuses := d.refuses(); refuses != past {
			past = refuses
			d.bypassed(past)
		}
		if !past {
			continue
		}
		if err := d.deliverPast(ctx, work, note); err != nil && ctx.Err() == nil {
			d.trouble(troubleOutbox, err)
		}
	}
}

func (d *Dispatch) bypassed(past bool) {
	if past {
		d.metrics.bypass.Set(1)
		d.log.Warn("the queue takes no notifications; they are delivered from the database until it does")
		return
	}
	d.metrics.bypass.Set(0)
	d.log.Info("the queue takes notifications again")
}

// refuses tells whether the queue has taken nothing for a while, though it was asked to.
func (d *Dispatch) refuses() bool {
	since := d.refusing.Load()
	return since != 0 && d.deps.Now().Sub(time.UnixMilli(since)) >= directAfter
}

// deliverPast delivers what is due, of each order the first and what waits for it.
func (d *Dispatch) deliverPast(ctx, work, note context.Context) error {
	first, err := d.firstWaiting(ctx)
	if err != nil {
		return err
	}
	now := d.deps.Now().UnixMilli()
	due := make(chan alert.Notification)
	var wg sync.WaitGroup
	for range d.cfg.Workers {
		wg.Go(func() {
			for n := range due {
				d.metrics.direct.Inc()
				d.follow(ctx, work, note, job{waiter: waiter{n.ID, ticket{n.Receiver, n.Order, n.Seq}}})
			}
		})
	}
	for _, n := range first {
		if n.Next > now || ctx.Err() != nil {
			continue
		}
		due <- n
	}
	close(due)
	wg.Wait()
	return nil
}

// firstWaiting returns what waits in the outbox, of each order the first: the others
// wait for it.
func (d *Dispatch) firstWaiting(ctx context.Context) (map[order]alert.Notification, error) {
	first := map[order]alert.Notification{}
	page := alert.NotificationPage{State: alert.Waiting, Limit: sweepPage}
	for range sweepPages {
		found, err := d.deps.Outbox.Notifications(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read what waits: %w", err)
		}
		for i := range found { // the newest first, so what stays is the oldest
			n := &found[i]
			first[order{n.Receiver, n.Order}] = alert.Notification{ID: n.ID, Receiver: n.Receiver, Order: n.Order, Seq: n.Seq, Created: n.Created, Next: n.Next}
			page.Before = n.Seq
		}
		if len(found) < sweepPage {
			break
		}
	}
	return first, nil
}
