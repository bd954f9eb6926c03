package live

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// Parser makes selectors of their texts, within the limits of queries;
// *query.Service is one.
type Parser interface {
	ParseSelectors(texts []string) ([]query.Selector, error)
}

// Hub is where frames come in and watches are attached. It observes the time series
// database and implements livev1.LiveServiceServer.
type Hub struct {
	livev1.UnimplementedLiveServiceServer

	cfg     Config
	parser  Parser
	log     *slog.Logger
	metrics *metrics

	// watches is replaced as a whole under mu and read without it: frames come
	// far more often than watches.
	watches atomic.Pointer[[]*watch]

	mu       sync.Mutex // guards changing watches, stopped, and adding to streams
	stopped  bool
	stopping chan struct{} // closed when streams have to end
	streams  sync.WaitGroup
}

// New returns a hub without watches. It starts nothing.
func New(cfg Config, parser Parser, log *slog.Logger, reg prometheus.Registerer) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("live settings: %w", err)
	}
	h := &Hub{cfg: cfg, parser: parser, log: log, metrics: newMetrics(reg), stopping: make(chan struct{})}
	h.watches.Store(&[]*watch{})
	return h, nil
}

// stopGrace is how long Run waits for streams that are stuck in a client which does
// not read; those end with the server that carries them.
const stopGrace = 5 * time.Second

// Run blocks until ctx ends, then ends all watches and refuses further ones. It
// returns nil when the last is gone, or after a short while.
func (h *Hub) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	if !h.stopped {
		h.stopped = true
		close(h.stopping)
	}
	h.mu.Unlock()
	gone := make(chan struct{})
	go func() {
		h.streams.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(stopGrace):
		h.log.WarnContext(ctx, "live watches still open; their clients do not read", "watches", len(*h.watches.Load()))
	}
	return nil
}

// Active tells whether anybody watches.
func (h *Hub) Active() bool { return len(*h.watches.Load()) > 0 }

// Observe hands a frame that was stored to the watches. It does not wait for
// clients, and keeps the definitions but not the values.
func (h *Hub) Observe(e *metric.Entity, s *metric.Schema, t int64, values []float64) {
	for _, w := range *h.watches.Load() {
		w.offer(pair{e, s}, t, values)
	}
}

// attach adds a watch. Whoever gets no error calls detach.
func (h *Hub) attach(w *watch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return stoppingError()
	}
	have := *h.watches.Load()
	if len(have) >= h.cfg.MaxWatches {
		return fault.New(fault.Exhausted, "live_too_many_watches",
			"%d watches are open, the most that live.max_watches allows; close one or try again later", len(have))
	}
	with := append(slices.Clone(have), w)
	h.watches.Store(&with)
	h.streams.Add(1)
	h.metrics.watches.Set(float64(len(with)))
	return nil
}

func (h *Hub) detach(w *watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	without := slices.DeleteFunc(slices.Clone(*h.watches.Load()), func(x *watch) bool { return x == w })
	h.watches.Store(&without)
	h.streams.Done()
	h.metrics.watches.Set(float64(len(without)))
}

func stoppingError() error {
	return fault.New(fault.Unavailable, "stopping", "the server is stopping; watch again in a moment")
}
