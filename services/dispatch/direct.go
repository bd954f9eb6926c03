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
	slots := make(chan struct{}, d.cfg.Workers)
	var wg sync.WaitGroup
	defer wg.Wait()
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
		due, err := d.dueNow(ctx)
		if err != nil && ctx.Err() == nil {
			d.trouble(troubleOutbox, err)
		}
		// It does not wait for their end: a slow receiver is no reason for others to wait.
		for _, w := range due {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-slots }()
				d.metrics.direct.Inc()
				d.follow(ctx, work, note, job{waiter: w})
			})
		}
	}
}

// dueNow returns what is to be delivered and not on its way here, of each order the
// first.
func (d *Dispatch) dueNow(ctx context.Context) (due []waiter, err error) {
	first, err := d.firstWaiting(ctx)
	now := d.deps.Now().UnixMilli()
	for _, n := range first {
		if n.Next <= now && !d.flying.busy(n.ID) {
			due = append(due, waiter{n.ID, ticket{n.Receiver, n.Order, n.Seq}})
		}
	}
	return due, err
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
