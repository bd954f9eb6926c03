package query

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/prometheus/promql"

	"github.com/esolutions/esmon/services/fault"
)

// gate lets a bounded number of requests run and a bounded number wait.
type gate struct {
	slots   chan struct{} // one token for each that runs
	waiting atomic.Int64
	cfg     *Config
	metrics *metrics
}

func newGate(cfg *Config, m *metrics) *gate {
	return &gate{slots: make(chan struct{}, cfg.MaxConcurrent), cfg: cfg, metrics: m}
}

// enter waits for a turn. Whoever got one calls the returned function when done.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.slots <- struct{}{}:
		return g.entered(), nil
	default:
	}
	defer func() { g.metrics.waiting.Set(float64(g.waiting.Add(-1))) }()
	waiting := g.waiting.Add(1)
	if waiting > int64(g.cfg.MaxQueued) {
		return nil, fault.New(fault.Exhausted, reasonTooMany,
			"too many queries: %d run (query.max_concurrent) and %d wait (query.max_queued); try again later", g.cfg.MaxConcurrent, g.cfg.MaxQueued)
	}
	g.metrics.waiting.Set(float64(waiting))
	select {
	case g.slots <- struct{}{}:
		return g.entered(), nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, promql.ErrQueryTimeout("query queue")
		}
		return nil, ctx.Err()
	}
}

func (g *gate) entered() func() {
	g.metrics.running.Inc()
	return func() {
		g.metrics.running.Dec()
		<-g.slots
	}
}
