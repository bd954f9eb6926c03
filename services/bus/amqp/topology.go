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

// streamName is the stream of partition 0.
const streamName = "metrics.ingest"

// numbers returns the partitions that so many make. One alone is number 0, more
// begin with 1: so a number keeps its meaning when there are more or fewer later.
func numbers(partitions int) []int {
	if partitions == 1 {
		return []int{0}
	}
	out := make([]int, partitions)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// queueName returns the stream of a partition: metrics.ingest is number 0,
// metrics.ingest-0 number 1, metrics.ingest-1 number 2, and so on.
func queueName(partition int) string {
	if partition == 0 {
		return streamName
	}
	return streamName + "-" + strconv.Itoa(partition-1)
}

// arguments are what a stream is declared with. They can never be changed.
func (c *Config) arguments() amqp.Table {
	return amqp.Table{
		"x-queue-type":                    "stream",
		"x-max-length-bytes":              c.MaxBytes,
		"x-max-age":                       strconv.FormatInt(int64(c.MaxAge/time.Second), 10) + "s",
		"x-stream-max-segment-size-bytes": c.SegmentBytes,
		"x-initial-cluster-size":          int64(c.Replicas),
	}
}

// errTopology is wrapped by errors that only an operator can do something about.
var errTopology = errors.New("the stream or queue cannot be used")

// errKind is returned for a queue that is of another kind than it should be.
var errKind = fmt.Errorf("%w: wrong kind", errTopology)

// check has the broker compare the stream, if it is there, with what it should
// be. It never changes or deletes one.
func (p *partition) check(ctx context.Context) error {
	err := p.inspect(ctx)
	switch {
	case errors.Is(err, errMissing):
		return nil // it is made when it is looked at
	case err != nil:
		return err
	}
	return p.declare(ctx)
}

// make makes the stream, and gives it its log ID.
func (p *partition) make(ctx context.Context) error {
	p.l.log.Warn("the stream is not there and is made", "partition", p.number, "stream", p.queue)
	if err := p.declare(ctx); err != nil {
		return err
	}
	return p.writeHeader(ctx)
}

// inspect asks whether the stream is there.
func (p *partition) inspect(ctx context.Context) error {
	return onChannel(ctx, p.l.read, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(p.queue, true, false, false, false, nil)
		return p.explain(err)
	})
}

// declare makes the stream, or has the broker compare an existing one with what
// it should be.
func (p *partition) declare(ctx context.Context) error {
	err := p.declareAs(ctx, p.l.cfg.arguments())
	if errors.Is(err, errTopology) {
		// The broker names one difference of many; the kind is the one that matters.
		if kind := p.declareAs(ctx, amqp.Table{"x-queue-type": "stream"}); errors.Is(kind, errKind) {
			err = kind
		}
	}
	p.setProblem(err)
	return err
}

func (p *partition) declareAs(ctx context.Context, args amqp.Table) error {
	return onChannel(ctx, p.l.read, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(p.queue, true, false, false, false, args)
		return p.explain(err)
	})
}

// explain says what the broker's answer about a stream means and what to do.
func (p *partition) explain(err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return err
	case e.Code == amqp.NotFound && strings.Contains(e.Reason, "inaccessible"):
		return fmt.Errorf("stream %s is there but cannot be used now: %w", p.queue, err)
	case e.Code == amqp.NotFound:
		return fmt.Errorf("stream %s: %w", p.queue, errMissing)
	case e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "replica"):
		// It was just declared by another process, or this broker holds none.
		return fmt.Errorf("stream %s: %w", p.queue, errNoReplica)
	case e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "'x-queue-type'"):
		return fmt.Errorf("%w: queue %s is there and is no stream (%s): nothing was changed; move what it holds and delete it, or use another virtual host in bus.url", errKind, p.queue, e.Reason)
	case e.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%w: stream %s is there and was declared with other limits (%s), which RabbitMQ cannot change: set bus.max_bytes, bus.max_age, bus.segment_bytes and bus.replicas to what it has, or change bus.partitions, which makes new streams and reads this one to its end", errTopology, p.queue, e.Reason)
	case e.Code == amqp.AccessRefused:
		return fmt.Errorf("%w: stream %s: %w: give the user of bus.url the rights to configure, write and read %s.*", errTopology, p.queue, err, streamName)
	}
	return fmt.Errorf("stream %s: %w", p.queue, err)
}

// findOlder finds the streams of a time when there were more or fewer.
func (l *Log) findOlder(ctx context.Context) error {
	for n := range maxPartitions + 1 {
		if _, known := l.partitions[n]; known {
			continue
		}
		p := newPartition(l, n, false)
		err := p.inspect(ctx)
		switch {
		case errors.Is(err, errMissing):
			continue
		case err != nil:
			return err
		}
		l.log.Info("an older partition of the ingest log is read to its end", "partition", n, "stream", p.queue)
		l.mu.Lock()
		l.partitions[n] = p
		l.mu.Unlock()
	}
	return nil
}

// onChannel does something on a channel of its own: what the broker refuses
// closes the channel.
func onChannel(ctx context.Context, k *link, do func(*amqp.Channel) error) error {
	conn, err := k.await(ctx)
	if err != nil {
		return err
	}
	_, err = within(ctx, k.tasks, func() (struct{}, error) {
		ch, err := conn.Channel()
		if err != nil {
			return struct{}{}, fmt.Errorf("open a channel: %w", err)
		}
		defer ch.Close() //nolint:errcheck // one that the broker closed says so here
		return struct{}{}, do(ch)
	}, func(struct{}) {})
	return err
}
