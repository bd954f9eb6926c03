package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

const (
	// minPause and maxPause bound the wait before connecting again, of which a
	// random part is waited: a broker that comes back is not stormed.
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
)

// link keeps one connection to one of the brokers. There is one to publish and
// another to read: a broker that blocks a connection which publishes reads
// nothing from it any more, not even a reader's credit.
type link struct {
	name    string
	cfg     *Config
	brokers []broker
	tls     *tls.Config
	log     *slog.Logger
	metrics *linkMetrics
	tasks   *tasks
	refusal error // wrapped by what tells that the broker takes nothing; may be nil

	mu      sync.Mutex // guards what follows
	at      int        // the broker to try next
	conn    *amqp.Connection
	raw     net.Conn
	blocked string        // why the broker takes nothing; empty if it does
	failure error         // why there is no connection
	changed chan struct{} // closed when one of these changes
}

// newLink returns a link to the brokers, which are at least one.
func newLink(name string, cfg *Config, brokers []broker, secure *tls.Config, log *slog.Logger, m *linkMetrics, t *tasks) *link {
	return &link{
		name: name, cfg: cfg, brokers: brokers, tls: secure, log: log, metrics: m, tasks: t,
		at: rand.IntN(len(brokers)), changed: make(chan struct{}), failure: errors.New("not connected yet"),
	}
}

// run keeps a connection until ctx ends.
func (k *link) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		conn, raw, err := k.dial(ctx)
		if err == nil {
			k.set(conn, raw, nil)
			err = k.watch(ctx, conn, raw)
		}
		if ctx.Err() != nil {
			k.set(nil, nil, bus.ErrClosed)
			return
		}
		k.set(nil, nil, err)
		failures++
		if time.Since(began) > 2*maxPause {
			failures = 0
		}
		k.log.Warn("no connection to the broker, will try again", "link", k.name, "error", err)
		_ = pause(ctx, rand.N(min(maxPause, minPause<<min(failures, 10))))
	}
}

// dial connects to the broker whose turn it is.
func (k *link) dial(ctx context.Context) (*amqp.Connection, net.Conn, error) {
	k.mu.Lock()
	b := k.brokers[k.at]
	k.at = (k.at + 1) % len(k.brokers)
	k.mu.Unlock()
	conn, raw, err := dial(ctx, k.cfg, b, k.tls, "esmon "+k.name)
	if err != nil {
		return nil, nil, err
	}
	k.metrics.connects.WithLabelValues(k.name).Inc()
	k.log.Info("connected to the broker", "link", k.name, "broker", b.name)
	return conn, raw, nil
}

// watch follows what the broker says about the connection until it ends.
func (k *link) watch(ctx context.Context, conn *amqp.Connection, raw net.Conn) error {
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	for {
		select {
		case b, ok := <-blocked:
			if !ok {
				blocked = nil // closed comes
				continue
			}
			k.block(b)
		case err, ok := <-closed:
			if !ok || err == nil {
				return errors.New("the connection was closed")
			}
			return fmt.Errorf("the connection was lost: %w", err)
		case <-ctx.Done():
			shut(conn, raw)
			return ctx.Err() //nolint:wrapcheck // nobody looks
		}
	}
}

func (k *link) block(b amqp.Blocking) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blocked = ""
	if b.Active {
		if k.blocked = b.Reason; k.blocked == "" {
			k.blocked = "no reason given"
		}
		k.log.Warn("the broker takes nothing any more", "link", k.name, "reason", k.blocked)
	} else {
		k.log.Info("the broker takes records again", "link", k.name)
	}
	k.metrics.blocked.Set(boolean(b.Active))
	k.changeLocked()
}

func (k *link) set(conn *amqp.Connection, raw net.Conn, failure error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn, k.raw, k.failure, k.blocked = conn, raw, failure, ""
	k.metrics.connected.WithLabelValues(k.name).Set(boolean(conn != nil))
	if k.name == linkPublish {
		k.metrics.blocked.Set(0)
	}
	k.changeLocked()
}

func (k *link) changeLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// await returns the connection, waiting for it until ctx ends.
func (k *link) await(ctx context.Context) (*amqp.Connection, error) {
	for {
		k.mu.Lock()
		conn, failure, changed := k.conn, k.failure, k.changed
		k.mu.Unlock()
		if conn != nil && !conn.IsClosed() {
			return conn, nil
		}
		select {
		case <-changed:
		case <-time.After(maxPause): // closed and not noticed yet
		case <-ctx.Done():
			return nil, fmt.Errorf("no connection to a broker: %w: %w", ctx.Err(), failure)
		}
	}
}

// awaitUnblocked waits a moment for the broker to take records again.
func (k *link) awaitUnblocked(ctx context.Context) error {
	var timeout <-chan time.Time
	for {
		k.mu.Lock()
		reason, changed := k.blocked, k.changed
		k.mu.Unlock()
		if reason == "" {
			return nil
		}
		if timeout == nil {
			timeout = time.After(blockedPatience)
		}
		select {
		case <-changed:
		case <-timeout:
			if k.refusal != nil {
				return fmt.Errorf("%w: %w", k.refusal, takesNothing(reason))
			}
			return takesNothing(reason)
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the caller says what was attempted
		}
	}
}

func takesNothing(reason string) error {
	return fmt.Errorf("the broker takes nothing (%s): look at its disk and memory", reason)
}

// leave gives up the connection, if it is still that one, for another broker.
func (k *link) leave(conn *amqp.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn == conn && k.raw != nil {
		_ = k.raw.Close() // the library notices
	}
}

// trouble returns why the link does not work, nil if it does.
func (k *link) trouble() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.conn == nil:
		return fmt.Errorf("no connection to a broker (%s): %w", k.name, k.failure)
	case k.blocked != "":
		return takesNothing(k.blocked)
	}
	return nil
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
}
