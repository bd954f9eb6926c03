package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// countEvery is how often it is counted who holds the streams.
	countEvery = time.Minute
	// safeReplicas is how many must hold a stream so that one may be lost while
	// another is down.
	safeReplicas = 3
)

// census is what was found out about who holds the streams.
type census struct {
	mu       sync.Mutex // guards what follows
	warnings []string
}

// Warnings returns what does not keep the log from working but makes it less safe
// than it should be. It is nothing until it was counted first, soon after the
// start.
func (l *Log) Warnings() []string {
	l.census.mu.Lock()
	defer l.census.mu.Unlock()
	return slices.Clone(l.census.warnings)
}

// countReplicas finds out now and then which brokers hold the streams, until ctx
// ends. AMQP has no question for it; but a broker refuses a reader of a stream it
// holds no replica of.
func (l *Log) countReplicas(ctx context.Context) {
	for {
		holders := map[int]int{}
		for _, b := range l.brokers {
			l.askBroker(ctx, b, holders)
		}
		if ctx.Err() != nil {
			return
		}
		l.note(holders)
		if pause(ctx, countEvery) != nil {
			return
		}
	}
}

// askBroker adds the broker to the holders of what it holds. One that does not
// answer holds nothing: that is what matters.
func (l *Log) askBroker(ctx context.Context, b broker, holders map[int]int) {
	conn, raw, err := dial(ctx, &l.cfg, b, l.tls, "esmon census")
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	defer shut(conn, raw)
	// What a connection is made for is short: a broker that stopped ends with this.
	t := time.AfterFunc(lookTimeout, func() { _ = raw.Close() })
	defer t.Stop()
	for _, n := range l.current {
		if holds(conn, queueName(n)) {
			holders[n]++
		}
	}
}

// holds tells whether the broker serves readers of the stream.
func holds(conn *amqp.Connection, queue string) bool {
	ch, err := conn.Channel()
	if err != nil {
		return false
	}
	defer ch.Close() //nolint:errcheck // one that the broker closed says so here
	if ch.Qos(1, 0, false) != nil {
		return false
	}
	_, err = ch.Consume(queue, consumerTag, false, false, false, false, amqp.Table{"x-stream-offset": "next"})
	return err == nil
}

func (l *Log) note(holders map[int]int) {
	var warnings []string
	for _, n := range l.current {
		l.metrics.replicas.WithLabelValues(strconv.Itoa(n)).Set(float64(holders[n]))
		if holders[n] < safeReplicas {
			warnings = append(warnings, l.warning(n, holders[n]))
		}
	}
	l.census.mu.Lock()
	changed := !slices.Equal(l.census.warnings, warnings)
	l.census.warnings = warnings
	l.census.mu.Unlock()
	if changed && len(warnings) > 0 {
		l.log.Warn("the ingest log is less safe than it should be", "error", errors.New(warnings[0]), "more", len(warnings)-1)
	}
}

func (l *Log) warning(partition, holders int) string {
	queue := queueName(partition)
	switch {
	case len(l.brokers) == 1:
		return fmt.Sprintf("stream %s: one broker is named in bus.url: what it confirmed is lost with its disk, and its newest part when it loses power; run a cluster of %d and name them all", queue, safeReplicas)
	case len(l.brokers) < safeReplicas:
		return fmt.Sprintf("stream %s: %d brokers are named in bus.url: records survive the loss of one only with %d", queue, len(l.brokers), safeReplicas)
	}
	return fmt.Sprintf("stream %s is held by %d of the %d brokers named in bus.url, %d are needed to lose one safely: start those that are down, or add replicas (rabbitmq-streams add_replica)", queue, holders, len(l.brokers), safeReplicas)
}
