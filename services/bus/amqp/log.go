package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
)

// The two links of a log and of a queue.
const (
	linkPublish = "publish"
	linkRead    = "read"
)

// Deps is what the log stands on beside the brokers.
type Deps struct {
	// Stored returns up to where storage has stored a partition, the zero Position if
	// nothing. It may fail; the position known last holds then. If it is nil, what
	// Release says counts, and before the first Release what was there when the log
	// was opened counts as stored.
	Stored func(ctx context.Context, partition int) (bus.Position, error)
	// PublishOnly says that this process reads nothing, so older partitions need not
	// be looked for: for each that is not there the broker logs an error.
	PublishOnly bool
}

// Log is the ingest log on RabbitMQ streams.
type Log struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	brokers []broker
	tls     *tls.Config

	publish, read *link
	current       []int // numbers to publish to
	closing       context.Context
	close         context.CancelFunc
	tasks         tasks
	census        census

	mu         sync.Mutex // guards partitions
	partitions map[int]*partition
}

// Open connects to the brokers and makes the streams that are not there. It waits
// for a broker at most bus.start_timeout.
func Open(ctx context.Context, cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Log{cfg: cfg, deps: deps, log: log, partitions: map[int]*partition{}}
	if err := l.prepare(reg); err != nil {
		return nil, err
	}
	l.closing, l.close = context.WithCancel(context.WithoutCancel(ctx))
	l.tasks.run(func() { l.publish.run(l.closing) })
	l.tasks.run(func() { l.read.run(l.closing) })
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	if err := l.begin(ctx); err != nil {
		_ = l.Close() // never fails
		return nil, fmt.Errorf("open the ingest log on RabbitMQ: %w", err)
	}
	l.tasks.run(func() { l.watchBacklog(l.closing) })
	l.tasks.run(func() { l.countReplicas(l.closing) })
	return l, nil
}

// prepare makes everything that needs no broker.
func (l *Log) prepare(reg prometheus.Registerer) error {
	if err := l.cfg.Validate(); err != nil {
		return fmt.Errorf("settings of the ingest log: %w", err)
	}
	var err error
	if l.brokers, err = l.cfg.brokers(); err != nil {
		return fmt.Errorf("settings of the ingest log: %w", err)
	}
	if l.tls, err = l.cfg.tlsConfig(); err != nil {
		return fmt.Errorf("settings of the ingest log: %w", err)
	}
	if l.metrics, err = newMetrics(reg); err != nil {
		return err
	}
	l.publish = newLink(linkPublish, &l.cfg, l.brokers, l.tls, l.log, &l.metrics.linkMetrics, &l.tasks)
	l.publish.refusal = bus.ErrFull
	l.read = newLink(linkRead, &l.cfg, l.brokers, l.tls, l.log, &l.metrics.linkMetrics, &l.tasks)
	l.current = numbers(l.cfg.Partitions)
	for _, n := range l.current {
		l.partitions[n] = newPartition(l, n, true)
	}
	return nil
}

// begin checks the streams, makes those that are not there, and finds older ones.
func (l *Log) begin(ctx context.Context) error {
	for _, n := range l.current {
		if err := l.partitions[n].begin(ctx); err != nil {
			return err
		}
	}
	if l.deps.PublishOnly {
		return nil
	}
	return l.findOlder(ctx)
}

// Partitions implements bus.Log.
func (l *Log) Partitions() []int { return slices.Clone(l.current) }

// Readable implements bus.Log.
func (l *Log) Readable() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.partitions))
}

func (l *Log) partition(n int) (*partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.partitions[n]
	if !ok {
		return nil, fmt.Errorf("%w: %d", bus.ErrNoPartition, n)
	}
	return p, nil
}

// forget drops an older partition that was removed.
func (l *Log) forget(p *partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.partitions, p.number)
	l.log.Info("an older partition of the ingest log is not there any more", "partition", p.number, "stream", p.queue)
}

// Bounds implements bus.Log. What it returns is at most a second old, and not
// older than what this process published.
func (l *Log) Bounds(ctx context.Context, partition int) (bus.Bounds, error) {
	p, err := l.partition(partition)
	if err != nil {
		return bus.Bounds{}, err
	}
	ctx, done := l.bound(ctx)
	defer done()
	v, err := p.lookAgain(ctx, viewAge, viewAge)
	if err != nil {
		return bus.Bounds{}, l.failed("look at the ingest log", err)
	}
	return bus.Bounds{LogID: v.id, First: v.first, Next: p.atLeast(ctx, &v), Oldest: v.oldest}, nil
}

// Release implements bus.Log: the broker follows its own retention, so this only
// says how much is not stored.
func (l *Log) Release(_ context.Context, stored bus.Position) error {
	p, err := l.partition(stored.Partition)
	switch {
	case err != nil:
		return err
	case l.closing.Err() != nil:
		return bus.ErrClosed
	}
	p.released(stored)
	return nil
}

// Ready returns why nothing can be published or read, nil if it can.
func (l *Log) Ready() error {
	if err := l.publish.trouble(); err != nil {
		return err
	}
	if err := l.read.trouble(); err != nil {
		return err
	}
	for _, n := range l.current {
		p, err := l.partition(n)
		if err != nil {
			return err
		}
		if err := p.trouble(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends everything. What is being published is not waited for: it comes
// again. Readers and later calls get bus.ErrClosed.
func (l *Log) Close() error {
	l.close()
	l.tasks.end()
	return nil
}

// bound ties a call to the log: it ends when the log is closed.
func (l *Log) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// failed says what was attempted. A call that the end of the log ended failed for
// that.
func (l *Log) failed(what string, err error) error {
	if l.closing.Err() != nil {
		return bus.ErrClosed
	}
	return fmt.Errorf("%s: %w", what, err)
}

// errNoBroker and the like are told from what comes over the wire by these.
var (
	errMissing   = errors.New("the stream is not there")
	errNoReplica = errors.New("this broker holds no running replica of the stream")
)
