package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues.
const (
	queueDispatch = "alerts.dispatch"
	queueDead     = "alerts.dispatch.dead"
	queueRetry    = "alerts.dispatch.retry-" // and the seconds: 15s
)

const (
	// maxQueued is how many messages the queue, and each of the delay queues, holds.
	// What more comes is refused and stays in the outbox.
	maxQueued = 1_000_000
	// maxDead is how many of the dead are kept; the oldest go first. What became of
	// each notification is in the database, too.
	maxDead = 100_000
	// maxDeliveries is how often the broker hands out a message whose worker dies or
	// gives it back. RabbitMQ 4.0 buries one after 20 unless it is told otherwise; -1,
	// which says never, is refused by 3.x.
	maxDeliveries = 1 << 30
	// maxPrefetch is the highest number that the protocol takes.
	maxPrefetch = 1000
)

// delays are how long messages stay in the delay queues, ascending. All messages of
// one have the same time: a broker looks at the first of a queue only.
var delays = [...]time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

// delayQueue returns the shortest delay that is long enough, and what then is still to
// be waited. Without a wait it is the queue itself.
func delayQueue(after time.Duration) (queue string, rest time.Duration) {
	if after <= 0 {
		return queueDispatch, 0
	}
	for _, d := range delays {
		if after <= d {
			return delayName(d), 0
		}
	}
	longest := delays[len(delays)-1]
	return delayName(longest), min(after, maxRest) - longest
}

func delayName(d time.Duration) string {
	return queueRetry + strconv.Itoa(int(d/time.Second)) + "s"
}

// queueSpec is a queue as it is declared.
type queueSpec struct {
	name string
	args amqp.Table
}

// specs returns all queues, those first that others hand messages to.
func (c *Config) specs() []queueSpec {
	quorum := func(name string, max int64, overflow string, more amqp.Table) queueSpec {
		args := amqp.Table{
			"x-queue-type":                "quorum",
			"x-quorum-initial-group-size": int64(c.Replicas),
			"x-max-length":                max,
			"x-overflow":                  overflow,
			"x-delivery-limit":            int64(maxDeliveries),
		}
		for k, v := range more {
			args[k] = v
		}
		return queueSpec{name, args}
	}
	// A message is moved at least once: it leaves its queue when the other one has it.
	// That needs a queue that refuses what is too much, and none that drops it.
	to := func(queue string) amqp.Table {
		return amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-dead-letter-strategy": "at-least-once"}
	}
	out := []queueSpec{
		quorum(queueDead, maxDead, "drop-head", nil),
		quorum(queueDispatch, maxQueued, "reject-publish", to(queueDead)),
	}
	for _, d := range delays {
		args := to(queueDispatch)
		args["x-message-ttl"] = d.Milliseconds()
		out = append(out, quorum(delayName(d), maxQueued, "reject-publish", args))
	}
	return out
}

// declare makes the queues that are not there, and has the broker compare the others
// with what they should be. It never changes or deletes one.
func (q *Queue) declare(ctx context.Context) error {
	for _, s := range q.cfg.specs() {
		err := q.declareOne(ctx, s.name, s.args)
		if errors.Is(err, errTopology) {
			// The broker names one difference of many; the kind is the one that matters.
			if kind := q.declareOne(ctx, s.name, amqp.Table{"x-queue-type": "quorum"}); errors.Is(kind, errKind) {
				err = kind
			}
		}
		q.note(err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) declareOne(ctx context.Context, name string, args amqp.Table) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return onChannel(ctx, q.read, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		return explainQueue(name, err)
	})
}

// note keeps what only an operator can do something about, for who asks whether the
// queue is ready.
func (q *Queue) note(err error) {
	if !errors.Is(err, errTopology) {
		err = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.problem = err
}

// explainQueue says what the broker's answer about a queue means and what to do.
func explainQueue(name string, err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return err
	case e.Code == amqp.NotFound && strings.Contains(e.Reason, "inaccessible"):
		return fmt.Errorf("queue %s is there but cannot be used now, most of its members are away: %w", name, err)
	case e.Code == amqp.NotFound:
		return fmt.Errorf("queue %s: %w", name, errNoQueue)
	case e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "'x-queue-type'"):
		return fmt.Errorf("%w: %s is there and is no quorum queue (%s): nothing was changed; move what it holds and delete it, or use another virtual host in bus.url", errKind, name, e.Reason)
	case e.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%w: queue %s is there and was declared otherwise (%s), which RabbitMQ cannot change: set bus.replicas to what it has, or stop dispatching and delete it when it is empty; it is made again", errTopology, name, e.Reason)
	case e.Code == amqp.AccessRefused:
		return fmt.Errorf("%w: queue %s: %w: give the user of bus.url the rights to configure, write and read %s.*", errTopology, name, err, queueDispatch)
	}
	return fmt.Errorf("queue %s: %w", name, err)
}

// errNoQueue is returned for a queue that somebody deleted.
var errNoQueue = errors.New("the queue is not there")
