package amqp

import (
	"context"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// maxShown is how many of the dead are looked at at a time.
const maxShown = 1000

// Dead implements bus.Queue. There is no other way to look at a queue than to take
// messages and give them back: while one process looks, another sees fewer.
func (q *Queue) Dead(ctx context.Context, limit int) ([]bus.DeadMessage, error) {
	switch {
	case q.closing.Err() != nil:
		return nil, bus.ErrClosed
	case ctx.Err() != nil:
		return nil, fmt.Errorf("look at the dead messages: %w", ctx.Err())
	}
	ctx, done := q.bound(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	select {
	case q.reading <- struct{}{}:
		defer func() { <-q.reading }()
	case <-ctx.Done():
		return nil, q.failed("look at the dead messages", ctx.Err())
	}
	found := make(chan []letter, 1)
	err := onChannel(ctx, q.read, func(ch *amqp.Channel) error {
		letters, err := peek(ctx, ch, min(limit, maxShown))
		found <- letters
		return err
	})
	if err != nil {
		return nil, q.failed("look at the dead messages", explainQueue(queueDead, err))
	}
	letters := <-found
	// What was given back may have come back in another place.
	slices.SortStableFunc(letters, func(a, b letter) int { return a.buried.Compare(b.buried) })
	var out []bus.DeadMessage
	for i := range letters {
		out = append(out, bus.DeadMessage{Message: letters[i].Message, Reason: letters[i].reason})
	}
	return out, nil
}

// peek takes up to limit messages and gives them back.
func peek(ctx context.Context, ch *amqp.Channel, limit int) ([]letter, error) {
	var out []letter
	var last *amqp.Delivery
	for len(out) < limit && ctx.Err() == nil {
		d, ok, err := ch.Get(queueDead, false)
		if err != nil {
			return nil, err //nolint:wrapcheck // the caller says what was attempted
		}
		if !ok {
			break
		}
		last = &d
		out = append(out, deadLetter(&d))
	}
	if last != nil {
		if err := last.Nack(true, true); err != nil {
			return nil, err //nolint:wrapcheck // likewise
		}
	}
	return out, ctx.Err() //nolint:wrapcheck // likewise
}

// deadLetter reads a message that may also be one that the broker moved, or one of a
// stranger.
func deadLetter(d *amqp.Delivery) letter {
	l, ok := openLetter(d)
	if !ok && l.ID == "" {
		l.ID = d.MessageId
	}
	if why, _ := d.Headers[headerFirstDeath].(string); why != "" && l.reason == "" {
		l.reason = "moved by the broker: " + why
		if !ok {
			l.reason = "it is no message of this platform"
		}
	}
	if l.buried.IsZero() {
		l.buried = time.UnixMilli(0)
	}
	return l
}
