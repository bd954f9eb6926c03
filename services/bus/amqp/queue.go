package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
)

// Queue is the queue of notifications, alerts.dispatch, on a RabbitMQ quorum queue. It
// implements bus.Queue; the package comment says what it promises.
type Queue struct {
	cfg     Config
	workers int
	log     *slog.Logger
	metrics *queueMetrics
	brokers []broker
	tls     *tls.Config

	publish, read *link
	closing       context.Context
	close         context.CancelFunc
	tasks         tasks

	opening chan struct{}  // holds a token while somebody opens a sender or declares
	sender  *sender        // who has the token of opening has it
	stale   atomic.Bool    // a queue may be gone: they are declared again first
	taken   chan *delivery // unbuffered: what comes is handed to who waits
	wanted  chan struct{}  // holds a token when somebody began to wait

	reading chan struct{} // holds a token while somebody looks at the dead

	mu      sync.Mutex // guards what follows
	problem error      // only an operator can do something about
	failure error      // why nothing is taken now
}

// OpenQueue connects to the brokers and makes the queues that are not there. It waits
// for a broker at most bus.start_timeout. Workers is how many call Take at a time: so
// many messages are in this process at most, taken or about to be.
func OpenQueue(ctx context.Context, cfg Config, workers int, log *slog.Logger, reg prometheus.Registerer) (*Queue, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	q := &Queue{
		cfg: cfg, workers: min(max(workers, 1), maxPrefetch), log: log.With("queue", queueDispatch),
		opening: make(chan struct{}, 1), taken: make(chan *delivery), wanted: make(chan struct{}, 1), reading: make(chan struct{}, 1),
	}
	if err := q.prepare(reg); err != nil {
		return nil, err
	}
	q.closing, q.close = context.WithCancel(context.WithoutCancel(ctx))
	q.tasks.run(func() { q.publish.run(q.closing) })
	q.tasks.run(func() { q.read.run(q.closing) })
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	if err := q.begin(ctx); err != nil {
		_ = q.Close() // never fails
		return nil, fmt.Errorf("open the queue of notifications on RabbitMQ: %w", err)
	}
	q.tasks.run(func() { q.consume(q.closing) })
	return q, nil
}

// prepare makes everything that needs no broker.
func (q *Queue) prepare(reg prometheus.Registerer) error {
	if err := q.cfg.Validate(); err != nil {
		return fmt.Errorf("settings of the queue of notifications: %w", err)
	}
	var err error
	if q.brokers, err = q.cfg.brokers(); err != nil {
		return fmt.Errorf("settings of the queue of notifications: %w", err)
	}
	if q.tls, err = q.cfg.tlsConfig(); err != nil {
		return fmt.Errorf("settings of the queue of notifications: %w", err)
	}
	if q.metrics, err = newQueueMetrics(reg); err != nil {
		return err
	}
	q.publish = newLink(linkPublish, &q.cfg, q.brokers, q.tls, q.log, &q.metrics.linkMetrics, &q.tasks)
	q.read = newLink(linkRead, &q.cfg, q.brokers, q.tls, q.log, &q.metrics.linkMetrics, &q.tasks)
	return nil
}

// begin declares the queues, until a broker takes that.
func (q *Queue) begin(ctx context.Context) error {
	for {
		err := q.declare(ctx)
		if err == nil || errors.Is(err, errTopology) {
			return err
		}
		if pause(ctx, retryPause) != nil {
			return err
		}
	}
}

// Put implements bus.Queue: the message is confirmed when a majority of the queue's
// members has written it to its disk.
func (q *Queue) Put(ctx context.Context, m bus.Message) error {
	if err := m.Check(); err != nil {
		return err //nolint:wrapcheck // it says everything
	}
	ctx, done := q.bound(ctx)
	defer done()
	start := time.Now()
	if err := q.write(ctx, queueDispatch, &letter{Message: m}); err != nil {
		q.metrics.putFailures.Inc()
		return q.failed("put message "+m.ID, err)
	}
	q.metrics.put.Observe(time.Since(start).Seconds())
	return nil
}

// write publishes to one of the queues and waits for the confirmation.
func (q *Queue) write(ctx context.Context, queue string, l *letter) error {
	if err := ctx.Err(); err != nil {
		return err //nolint:wrapcheck // the caller says what was attempted
	}
	ctx, cancel := context.WithTimeoutCause(ctx, q.cfg.PublishTimeout, errTimeout)
	defer cancel()
	err := q.writeWithin(ctx, queue, l)
	switch {
	case errors.Is(err, errReturned):
		q.stale.Store(true)
		return fmt.Errorf("queue %s is gone; it is made again", queue)
	case errors.Is(err, errNack):
		return fmt.Errorf("queue %s took no more: it is full, or most of its members are away", queue)
	case err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

func (q *Queue) writeWithin(ctx context.Context, queue string, l *letter) error {
	if err := q.publish.awaitUnblocked(ctx); err != nil {
		return err
	}
	s, w, err := q.send(ctx, queue, l)
	if err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if err := context.Cause(ctx); errors.Is(err, errTimeout) {
			s.end(err) // after a change of the queue's leader a channel may stay deaf
		}
		return ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
}

// send writes a message. A sender that was replaced while somebody waited for it wrote
// nothing: the next one does.
func (q *Queue) send(ctx context.Context, queue string, l *letter) (*sender, *waiting, error) {
	for {
		s, err := q.openSender(ctx)
		if err != nil {
			return nil, nil, err
		}
		w, err := s.send(ctx, queue, l.publishing, func() {})
		if !errors.Is(err, errReplaced) {
			return s, w, err
		}
	}
}

// openSender returns the sender, and makes one if there is none.
func (q *Queue) openSender(ctx context.Context) (*sender, error) {
	select {
	case q.opening <- struct{}{}:
		defer func() { <-q.opening }()
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
	if q.stale.Load() {
		if err := q.declare(ctx); err != nil {
			return nil, err
		}
		q.stale.Store(false)
	}
	old := q.sender
	if old != nil && old.alive() && !old.worn() {
		return old, nil
	}
	s, err := newSender(ctx, q.publish, func() {})
	if err != nil {
		return nil, err
	}
	if q.sender = s; old != nil {
		old.retire(q.cfg.PublishTimeout)
	}
	return s, nil
}

// Ready returns why nothing can be put or taken, nil if it can.
func (q *Queue) Ready() error {
	if err := q.publish.trouble(); err != nil {
		return err
	}
	if err := q.read.trouble(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.problem != nil {
		return q.problem
	}
	return q.failure
}

// Warnings returns what does not keep the queue from working but makes it less safe
// than it should be.
func (q *Queue) Warnings() []string {
	switch {
	case len(q.brokers) == 1:
		return []string{fmt.Sprintf("queue %s: one broker is named in bus.url: notifications that wait are lost with its disk; run a cluster of %d and name them all", queueDispatch, safeReplicas)}
	case len(q.brokers) < safeReplicas || q.cfg.Replicas < safeReplicas:
		return []string{fmt.Sprintf("queue %s: notifications survive the loss of one broker only with %d brokers in bus.url and bus.replicas at %d", queueDispatch, safeReplicas, safeReplicas)}
	}
	return nil
}

// Close implements bus.Queue.
func (q *Queue) Close() error {
	q.close()
	q.tasks.end()
	return nil
}

// bound ties a call to the queue: it ends when the queue is closed.
func (q *Queue) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(q.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// failed says what was attempted. A call that the end of the queue ended failed for
// that.
func (q *Queue) failed(what string, err error) error {
	if q.closing.Err() != nil {
		return bus.ErrClosed
	}
	return fmt.Errorf("%s: %w", what, err)
}
