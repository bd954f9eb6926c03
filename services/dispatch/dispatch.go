package dispatch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
)

// Sender delivers messages to one receiver. The message's ID is the idempotency key.
type Sender interface {
	// Send returns nil when the receiver has taken the message. An error may be a
	// *receiver.Error, which says whether to try again; any other is temporary. It is
	// not called twice at once for the same ID.
	Send(ctx context.Context, m *alert.Message) error
}

// Target is a receiver as dispatch needs it.
type Target struct {
	Kind     string // what it is: teams, email
	Receiver Sender
	Timeout  time.Duration // of one attempt; dispatch.send_timeout if it is 0
	Messages int           // how many it takes in Per; 0: as many as there are
	Per      time.Duration
}

// Deps is what dispatch works with.
type Deps struct {
	Outbox alert.OutboxStore
	Queue  bus.Queue
	// Receivers returns the receivers there are now, by name. It is asked for each
	// message, and what it returned must not change.
	Receivers func() map[string]Target
	// Holder is a name that no other process has; a random one if it is empty.
	Holder string
	Now    func() time.Time // time.Now if nil
}

// Dispatch delivers notifications.
type Dispatch struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	gates   gates
	flying  flying
	lines   lines
	counts  atomic.Pointer[[]alert.ReceiverCount] // as counted last
	// refusing is when the queue was first asked to take something that it has not taken
	// since, Unix milliseconds; 0 while it takes what there is.
	refusing atomic.Int64
	wake     chan struct{} // holds a token when there may be something to publish
	testing  chan struct{} // a token for each test that runs

	mu       sync.Mutex       // guards what follows
	troubles map[string]error // why something does not work, by what
}

// New returns a dispatch, which does nothing before Run.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Dispatch, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of dispatch: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Holder == "" {
		deps.Holder = rand.Text()
	}
	d := &Dispatch{
		cfg: cfg, deps: deps, log: log, wake: make(chan struct{}, 1), testing: make(chan struct{}, maxTests),
		troubles: map[string]error{},
		gates:    gates{cfg: &cfg, all: map[string]*gate{}},
		lines:    lines{all: map[order][]waiter{}, bury: map[string]string{}},
		flying:   flying{now: map[string]bool{}, seen: map[string]time.Time{}, began: deps.Now()},
	}
	d.gates.cfg = &d.cfg
	var err error
	if d.metrics, err = newMetrics(reg, d); err != nil {
		return nil, err
	}
	return d, nil
}

// settleGrace is how long after the end of an attempt at a stop its outcome may take to
// be noted.
const settleGrace = 3 * time.Second

// Run delivers until ctx ends. What is on its way then is finished, for at most
// dispatch.drain_timeout; the rest stays where it is.
func (d *Dispatch) Run(ctx context.Context) error {
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	note, endNote := context.WithCancel(context.WithoutCancel(ctx))
	defer endNote()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(d.cfg.DrainTimeout, endWork)
		time.AfterFunc(d.cfg.DrainTimeout+settleGrace, endNote)
	})
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { d.publish(ctx) })
	wg.Go(func() { d.watch(ctx) })
	wg.Go(func() { d.direct(ctx, work, note) })
	for range d.cfg.Workers {
		wg.Go(func() { d.work(ctx, work, note) })
	}
	wg.Wait()
	return nil
}

// Wake says that notifications were committed. It never blocks.
func (d *Dispatch) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Ready returns why notifications do not get through, nil if they do. Receivers that
// fail are no reason: see Breakers.
func (d *Dispatch) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for what, err := range d.troubles {
		errs = append(errs, fmt.Errorf("%s: %w", what, err))
	}
	return errors.Join(errs...)
}

// Breakers returns the receivers that are left alone now, by name, with the reason and
// until when.
func (d *Dispatch) Breakers() map[string]string { return d.gates.closed(d.deps.Now()) }

// trouble notes whether something works. It logs when that changes.
func (d *Dispatch) trouble(what string, err error) {
	d.mu.Lock()
	_, before := d.troubles[what]
	if err == nil {
		delete(d.troubles, what)
	} else {
		d.troubles[what] = err
	}
	d.mu.Unlock()
	switch {
	case err != nil && !before:
		d.log.Warn("notifications are held up, will try again", "part", what, "error", err)
	case err == nil && before:
		d.log.Info("notifications get on again", "part", what)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller knows what it waited for
	}
}
