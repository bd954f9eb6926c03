package dispatch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
)

const (
	// claimMargin is how much longer than an attempt the claim for it lasts: for the
	// note of its outcome, and for clocks that differ.
	claimMargin = 5 * time.Second
	// outboxPatience is how long a worker waits for a database that fails before it puts
	// the message back.
	outboxPatience = 30 * time.Second
	// minBack and maxBack bound how long a message rests that was put back without a
	// known time. After a few times it rests for longer each time: messages that come
	// again and again are work.
	minBack    = 500 * time.Millisecond
	maxBack    = 15 * time.Second
	quickTries = 6
)

// The names of what may be in trouble.
const (
	troubleTake   = "take notifications from the queue"
	troubleOutbox = "read and write the outbox"
)

// work delivers what comes until ctx ends. Attempts may go on until the end of work,
// their notes until the end of note.
func (d *Dispatch) work(ctx, work, note context.Context) {
	for {
		m, err := d.deps.Queue.Take(ctx)
		switch {
		case ctx.Err() != nil:
			return // what was taken comes again when the queue is closed
		case err != nil:
			d.trouble(troubleTake, err)
			if errors.Is(err, bus.ErrClosed) || pause(ctx, failurePause) != nil {
				return
			}
		default:
			d.trouble(troubleTake, nil)
			d.handle(ctx, work, note, m)
		}
	}
}

// job is a notification that is worked at.
type job struct {
	waiter

	m bus.Delivery // nil while the queue has the message, too, and will hand it out later
}

// handle does with a message what is to be done with it now.
func (d *Dispatch) handle(ctx, work, note context.Context, m bus.Delivery) {
	d.follow(ctx, work, note, job{waiter{m.Message().ID, readTicket(m.Message().Body)}, m})
}

// follow delivers a notification and, once it is finished, those that wait for it.
func (d *Dispatch) follow(ctx, work, note context.Context, j job) {
	for d.deliver(work, note, &j) && ctx.Err() == nil {
		next, ok := d.lines.next(j.ticket.line())
		if !ok {
			return
		}
		j = job{waiter: next}
	}
}

// deliver tells whether the notification is finished after it.
func (d *Dispatch) deliver(work, note context.Context, j *job) (finished bool) {
	if !d.flying.begin(j.id, d.deps.Now()) {
		d.putBack(note, j, backTwice, 0)
		return false
	}
	defer d.flying.end(j.id)
	target, known := d.deps.Receivers()[j.ticket.Receiver]
	var p *pass
	if known {
		var reason string
		var wait time.Duration
		if p, reason, wait = d.gates.enter(j.ticket.Receiver, &target, d.deps.Now()); p == nil {
			d.putBack(note, j, reason, wait)
			return false
		}
	}
	timeout := d.timeout(&target)
	n, err := d.begin(work, j.id, timeout)
	if err != nil {
		if p != nil {
			p.unused(d.deps.Now())
		}
		d.refused(work, note, j, err)
		return false
	}
	d.lines.leave(j.ticket.line(), j.id)
	if n.Receiver != j.ticket.Receiver { // the message is a stranger's
		target, known = d.deps.Receivers()[n.Receiver]
	}
	var o outcome
	if known {
		o = d.attempt(work, &n, &target, timeout)
	} else {
		o = d.missing(&n)
	}
	d.release(p, &o)
	return d.settle(note, j, &n, &o)
}

func (d *Dispatch) timeout(t *Target) time.Duration {
	if t.Timeout <= 0 {
		return d.cfg.SendTimeout
	}
	return min(t.Timeout, maxTimeout)
}

// begin claims the notification. It waits for a database that fails: a message that is
// put back meanwhile gains nothing.
func (d *Dispatch) begin(ctx context.Context, id string, timeout time.Duration) (alert.Notification, error) {
	began := time.Now()
	for wait := minPause; ; wait = min(2*wait, failurePause) {
		now := d.deps.Now()
		n, err := d.deps.Outbox.Begin(ctx, id, alert.Claim{
			Holder: d.deps.Holder, Now: now.UnixMilli(), Until: now.Add(timeout + claimMargin).UnixMilli(),
		})
		if err == nil || errors.Is(err, alert.ErrFinished) || errors.Is(err, alert.ErrNotFound) || errors.Is(err, alert.ErrWait) {
			d.trouble(troubleOutbox, nil)
			return n, err //nolint:wrapcheck // the caller tells them apart
		}
		if ctx.Err() != nil {
			return n, err //nolint:wrapcheck // likewise
		}
		d.trouble(troubleOutbox, err)
		if time.Since(began) > outboxPatience || pause(ctx, wait) != nil {
			return n, err //nolint:wrapcheck // likewise
		}
	}
}

// refused answers for a notification that is not to be delivered now.
func (d *Dispatch) refused(work, note context.Context, j *job, err error) {
	switch {
	case errors.Is(err, alert.ErrFinished), errors.Is(err, alert.ErrNotFound):
		d.flying.over(j.id)
		d.lines.leave(j.ticket.line(), j.id)
		d.end(note, j)
	case errors.Is(err, alert.ErrWait):
		d.lines.add(j.waiter)
		d.putBack(note, j, backOrder, 0)
	case work.Err() == nil:
		d.putBack(note, j, backOutbox, failurePause)
	} // or the process ends, and the message comes again
}

// end takes the message of a finished notification out of the queue.
func (d *Dispatch) end(ctx context.Context, j *job) {
	if j.m == nil {
		return
	}
	if reason, ok := d.lines.reason(j.id); ok {
		d.answered(j.m.Bury(ctx, reason))
		return
	}
	d.answered(j.m.Done(ctx))
}

// putBack has a message come again, which is no attempt.
func (d *Dispatch) putBack(ctx context.Context, j *job, reason string, wait time.Duration) {
	d.metrics.back.WithLabelValues(reason).Inc()
	if j.m == nil {
		return
	}
	if wait > 0 {
		wait += rand.N(wait/4 + 1) // not all at once
	}
	rest := min(minBack<<min(max(j.m.Tries()-quickTries, 0), 10), maxBack)
	d.answered(j.m.Retry(ctx, max(wait, rest/2+rand.N(rest/2))))
}

// answered counts answers that the queue did not take: the message comes again, and the
// outbox knows what became of it.
func (d *Dispatch) answered(err error) {
	if err != nil {
		d.metrics.answerFailures.Inc()
		d.log.Debug("the queue took no answer, the message comes again", "error", err)
	}
}

// settle notes the outcome, and then answers the queue. It tells whether the
// notification is finished.
func (d *Dispatch) settle(ctx context.Context, j *job, n *alert.Notification, o *outcome) (finished bool) {
	next := int64(0)
	if o.state == alert.Waiting {
		next = d.deps.Now().Add(o.delay).UnixMilli()
	}
	if !d.finish(ctx, n.ID, o, next) {
		return false // the message comes again, and the attempt is made again
	}
	d.metrics.count(n, o, d.deps.Now())
	if o.state == alert.Waiting {
		if j.m != nil {
			d.answered(j.m.Retry(ctx, o.delay))
		}
		return false
	}
	if o.state == alert.Dead {
		d.log.Warn("a notification was given up", "receiver", n.Receiver, "notification", n.ID, "reason", o.reason, "error", o.attempt.Message)
		d.lines.givenUp(n.ID, o.attempt.Message)
	}
	d.flying.over(n.ID)
	d.end(ctx, j)
	return true
}

// finish notes the outcome in the outbox. While the database fails it goes on trying: a
// delivery that is not noted is made again.
func (d *Dispatch) finish(ctx context.Context, id string, o *outcome, next int64) bool {
	for wait := minPause; ; wait = min(2*wait, failurePause) {
		err := d.deps.Outbox.Finish(ctx, id, o.attempt, o.state, next)
		if err == nil || errors.Is(err, alert.ErrNotFound) {
			d.trouble(troubleOutbox, nil)
			return true
		}
		d.trouble(troubleOutbox, err)
		if pause(ctx, wait) != nil {
			return false
		}
	}
}
