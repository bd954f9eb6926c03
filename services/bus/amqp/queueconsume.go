package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

const (
	// idlePatience is how long a message waits in this process for a worker before it
	// is given back for another process.
	idlePatience = time.Second
	// answerPause is how long a message that could not be moved waits before it is
	// given back: what hindered it may hinder it again.
	answerPause = 2 * time.Second
	// silence is how long nothing may come before another channel is tried: after a
	// change of the queue's leader a subscription may stay deaf.
	silence = 30 * time.Second
)

// errSilent is returned when nothing came for long.
var errSilent = errors.New("nothing came for long")

// Take implements bus.Queue.
func (q *Queue) Take(ctx context.Context) (bus.Delivery, error) {
	switch {
	case q.closing.Err() != nil:
		return nil, bus.ErrClosed
	case ctx.Err() != nil:
		return nil, fmt.Errorf("take a message: %w", ctx.Err())
	}
	select {
	case d := <-q.taken:
		return d, nil
	default:
	}
	select {
	case q.wanted <- struct{}{}:
	default:
	}
	select {
	case d := <-q.taken:
		return d, nil
	case <-q.closing.Done():
		return nil, bus.ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("take a message: %w", ctx.Err())
	}
}

// consume hands messages to those who wait until ctx ends. While nobody waits it asks
// the broker for none: they would lie here.
func (q *Queue) consume(ctx context.Context) {
	for {
		select {
		case <-q.wanted:
		case <-ctx.Done():
			return
		}
		for failed := false; ; failed = true {
			err := q.consumeOnce(ctx)
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, errSilent) {
				continue
			}
			q.tell(err, failed)
			if err == nil {
				break
			}
			if errors.Is(err, errNoQueue) {
				q.remake(ctx)
			}
			if pause(ctx, retryPause) != nil {
				return
			}
		}
	}
}

// remake makes the queues that are gone.
func (q *Queue) remake(ctx context.Context) {
	q.stale.Store(true)
	if err := q.declare(ctx); err != nil {
		q.tell(err, true)
	}
}

// tell keeps why nothing is taken, and logs it once.
func (q *Queue) tell(err error, again bool) {
	q.mu.Lock()
	q.failure = err
	q.mu.Unlock()
	if err != nil && !again {
		q.log.Warn("no messages can be taken, will try again", "error", err)
	}
}

// consumeOnce hands out messages over one channel until that fails; it returns nil if
// nobody wants any then.
func (q *Queue) consumeOnce(ctx context.Context) error {
	conn, err := q.read.await(ctx)
	if err != nil {
		return err
	}
	c, err := within(ctx, &q.tasks, func() (*consumer, error) { return q.newConsumer(conn) }, (*consumer).close)
	if err != nil {
		return err
	}
	for {
		_, err := within(ctx, &q.tasks, func() (struct{}, error) { return struct{}{}, c.subscribe() }, func(struct{}) {})
		if err != nil {
			return c.broken(err)
		}
		q.tell(nil, false)
		if err := c.pump(ctx); err != nil {
			return err
		}
		select {
		case <-q.wanted:
		case <-c.closed: //nolint:errcheck // nobody waits, so why it ended is of no interest
			return nil
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // nobody looks
		}
	}
}

// consumer is a channel that gets the queue's messages.
type consumer struct {
	q          *Queue
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error
	out        atomic.Int64 // messages that are not answered
}

func (q *Queue) newConsumer(conn *amqp.Connection) (*consumer, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	c := &consumer{q: q, ch: ch, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}
	if err := ch.Qos(q.workers, 0, false); err != nil {
		c.close()
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	return c, nil
}

func (c *consumer) subscribe() (err error) {
	c.deliveries, err = c.ch.Consume(queueDispatch, consumerTag, false, false, false, false, nil)
	return explainQueue(queueDispatch, err)
}

// close gives back what was not answered; nobody waits for the broker to agree.
func (c *consumer) close() { c.q.tasks.run(func() { _ = c.ch.Close() }) }

// pump hands out what comes, until it fails or a message finds nobody who wants it
// (nil). Then the subscription ends, and the channel stays for the answers of those who
// work.
func (c *consumer) pump(ctx context.Context) error {
	silent := time.NewTimer(silence)
	defer silent.Stop()
	for {
		select {
		case <-silent.C:
			if c.out.Load() == 0 {
				c.close()
				return errSilent
			}
			silent.Reset(silence)
		case d, ok := <-c.deliveries:
			silent.Reset(silence)
			if !ok {
				return c.failure()
			}
			wanted, err := c.hand(ctx, &d)
			if err != nil {
				return err
			}
			if !wanted {
				return c.retire(ctx, &d)
			}
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // nobody looks
		}
	}
}

// hand gives the message to a worker; false if none wants it.
func (c *consumer) hand(ctx context.Context, d *amqp.Delivery) (wanted bool, err error) {
	l, ok := openLetter(d)
	one := &delivery{q: c.q, c: c, raw: d, letter: l}
	switch {
	case !ok:
		c.q.metrics.foreign.Inc()
		c.q.log.Warn("a message in the queue is none of this platform and is put among the dead", "message_id", d.MessageId, "app_id", d.AppId)
		return true, c.broken(d.Reject(false))
	case l.rest > 0:
		c.out.Add(1)
		c.q.tasks.run(func() { one.forward(ctx) })
		return true, nil
	}
	idle := time.NewTimer(idlePatience)
	defer idle.Stop()
	c.out.Add(1)
	select {
	case c.q.taken <- one:
		select {
		case <-c.q.wanted: // of somebody who has got something meanwhile
		default:
		}
		return true, nil
	case err := <-c.closed:
		return false, c.broken(err)
	case <-idle.C:
		c.out.Add(-1)
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err() //nolint:wrapcheck // nobody looks
	}
}

// retire ends the subscription and gives back what nobody has taken.
func (c *consumer) retire(ctx context.Context, first *amqp.Delivery) error {
	_, err := within(ctx, &c.q.tasks, func() (struct{}, error) { return struct{}{}, c.ch.Cancel(consumerTag, false) }, func(struct{}) {})
	if err != nil {
		return c.broken(err)
	}
	err = first.Nack(false, true)
	for d := range c.deliveries {
		err = errors.Join(err, d.Nack(false, true))
	}
	c.q.metrics.unwanted.Inc()
	return c.broken(err)
}

// failure says why no more messages come.
func (c *consumer) failure() error {
	select {
	case err := <-c.closed:
		if err != nil {
			return explainQueue(queueDispatch, err)
		}
		return fmt.Errorf("take from queue %s: %w", queueDispatch, amqp.ErrClosed)
	default: // the queue was deleted, or has lost its leader
		c.close()
		return fmt.Errorf("take from queue %s: the broker ended the subscription: %w", queueDispatch, errNoQueue)
	}
}

func (c *consumer) broken(err error) error {
	if err == nil {
		return nil
	}
	c.close()
	return fmt.Errorf("take from queue %s: %w", queueDispatch, err)
}
