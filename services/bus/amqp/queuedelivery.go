package amqp

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// delivery is a message that was taken.
type delivery struct {
	q        *Queue
	c        *consumer
	raw      *amqp.Delivery
	letter   letter
	answered atomic.Bool
}

var errAnswered = errors.New("the message was answered already")

// Message implements bus.Delivery.
func (d *delivery) Message() bus.Message { return d.letter.Message }

// Tries implements bus.Delivery.
func (d *delivery) Tries() int { return d.letter.tries }

// Done implements bus.Delivery. The broker does not say that it has got it: if the
// connection breaks at this moment, the message comes again.
func (d *delivery) Done(ctx context.Context) error {
	return d.answer(ctx, "finish", func(context.Context) error { return nil })
}

// Retry implements bus.Delivery: the message goes to a delay queue, from which the
// broker moves it back. If it waits for longer than the longest of these, it goes
// round.
func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	return d.answer(ctx, "delay", func(ctx context.Context) error {
		l := letter{Message: d.letter.Message, tries: d.letter.tries + 1}
		return d.move(ctx, &l, after)
	})
}

// Bury implements bus.Delivery.
func (d *delivery) Bury(ctx context.Context, reason string) error {
	return d.answer(ctx, "bury", func(ctx context.Context) error {
		l := letter{Message: d.letter.Message, tries: d.letter.tries, reason: reason, buried: d.q.cfg.Now()}
		return d.q.write(ctx, queueDead, &l)
	})
}

// answer puts the message where it belongs, and only then takes it out of the queue.
// If that fails, the message comes again; if ctx ended it, the message may come again.
func (d *delivery) answer(ctx context.Context, what string, put func(context.Context) error) error {
	if d.answered.Swap(true) {
		return errAnswered
	}
	ctx, done := d.q.bound(ctx)
	defer done()
	err := ctx.Err()
	if err == nil {
		err = put(ctx)
	}
	if err != nil {
		d.q.tasks.run(d.giveBack)
	} else {
		err = d.acknowledge(ctx)
	}
	if err != nil {
		d.q.metrics.answerFailures.Inc()
		return d.q.failed(what+" message "+d.letter.ID, err)
	}
	return nil
}

// acknowledge takes the message out of the queue. It may do so after ctx has ended and
// it has returned that; so the message must not be given back then, which would be a
// second answer and cost the channel. If the broker does not get to know, the channel is
// at its end and the broker sends the message again by itself.
func (d *delivery) acknowledge(ctx context.Context) error {
	_, err := within(ctx, &d.q.tasks, func() (struct{}, error) {
		defer d.c.out.Add(-1)
		return struct{}{}, d.raw.Ack(false)
	}, func(struct{}) {})
	return err
}

// move puts the message into the delay queue for the time.
func (d *delivery) move(ctx context.Context, l *letter, after time.Duration) error {
	queue, rest := delayQueue(after)
	l.rest = rest
	return d.q.write(ctx, queue, l)
}

// forward sends a message that waits for longer than a delay queue keeps it on its
// next round.
func (d *delivery) forward(ctx context.Context) {
	l := d.letter
	err := d.move(ctx, &l, d.letter.rest)
	if err == nil {
		_ = d.acknowledge(ctx) // if it failed the message comes again
		return
	}
	if ctx.Err() == nil {
		d.q.log.Warn("a message that waits could not be sent on, will try again", "message", l.ID, "error", err)
	}
	d.giveBack()
}

// giveBack has the message come again after a moment. If the channel is gone, the
// broker has it already.
func (d *delivery) giveBack() {
	if pause(d.q.closing, answerPause) == nil {
		_ = d.raw.Nack(false, true)
		d.c.out.Add(-1)
	}
}
