package collector

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/mtls"
)

// Session is one open stream of an agent, as the registry of agents knows it.
type Session interface {
	// Labels returns the labels of every entity of the agent's own host.
	Labels() metric.Labels
	// TargetLabels returns those of a remote target, false if it is not assigned
	// to the agent.
	TargetLabels(target string) (metric.Labels, bool)
	// Counter returns the connect counter for the welcome.
	Counter() uint64
	// Superseded is closed when the stream must end; Cause then says why.
	Superseded() <-chan struct{}
	// Cause returns why the stream must end.
	Cause() error
	// Changed gets a notice when labels or targets changed.
	Changed() <-chan struct{}
	// Acked notes that data of the agent was made durable.
	Acked(now time.Time, skewMS int64)
	// Close ends the session with its stream.
	Close()
}

// Deps is what a collector stands on.
type Deps struct {
	Log bus.Log
	// Connect opens the session of a stream; refusals are faults.
	Connect func(ctx context.Context, agentID string, hello *ingestv1.Hello) (Session, error)
	// Agent returns whose stream it is; [mtls.AgentFromContext] if nil.
	Agent func(ctx context.Context) (string, bool)
	// Source returns the source label of a push; if nil, the agent that calls, or
	// "local" for a call from this host.
	Source func(ctx context.Context) string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Collector takes metrics in. It implements ingestv1.IngestServiceServer.
type Collector struct {
	ingestv1.UnimplementedIngestServiceServer

	cfg       Config
	deps      Deps
	log       *slog.Logger
	metrics   *metrics
	gatherers []*gatherer // one a partition
	quotas    *quotas
	pushes    chan struct{} // one for each push being worked on

	draining chan struct{} // closed when nothing more is taken
	drained  chan struct{} // closed when all that was taken is decided
	drain    sync.Once
	stop     context.CancelFunc // ends the gatherers
	working  context.Context
	streams  gate
}

// New makes a collector. It takes nothing before Run runs.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the collector: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Agent == nil {
		deps.Agent = mtls.AgentFromContext
	}
	if deps.Source == nil {
		deps.Source = func(ctx context.Context) string {
			if id, ok := deps.Agent(ctx); ok {
				return id
			}
			return "local"
		}
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	c := &Collector{
		cfg: cfg, deps: deps, log: log, metrics: m, pushes: make(chan struct{}, cfg.MaxPushes),
		draining: make(chan struct{}), drained: make(chan struct{}),
	}
	c.streams.empty = make(chan struct{})
	c.quotas = &quotas{cfg: &c.cfg, by: map[string]*quota{}}
	c.working, c.stop = context.WithCancel(context.Background())
	for _, p := range deps.Log.Partitions() {
		c.gatherers = append(c.gatherers, newGatherer(&c.cfg, &c.deps, p, log, m))
	}
	return c, m.observe(reg, c)
}

// tidyEvery is how often what nobody uses any more is looked for.
const tidyEvery = 5 * time.Minute

// Run publishes what comes in until ctx ends or Drain is called. It returns when
// everything taken is durable or was given back to its sender, and the streams
// have ended.
func (c *Collector) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, g := range c.gatherers {
		wg.Go(func() { g.run(c.working) })
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-c.draining:
			running = false
		case <-tick.C:
			c.tidy(c.deps.Now())
		}
	}
	c.beginDrain()
	wg.Wait()
	close(c.drained)
	c.waitForStreams()
	return nil
}

// Drain stops taking, and makes Run finish what was taken: it becomes durable, is
// acknowledged, and the streams end. It returns when that is done, or with ctx.
func (c *Collector) Drain(ctx context.Context) {
	c.beginDrain()
	select {
	case <-c.drained:
		c.waitForStreams()
	case <-ctx.Done():
	}
}

func (c *Collector) beginDrain() {
	c.drain.Do(func() {
		close(c.draining)
		c.stop()
	})
}

func (c *Collector) waitForStreams() {
	select {
	case <-c.streams.shut():
	case <-time.After(c.cfg.DrainTimeout):
		c.log.Warn("streams of agents were still open at the end of the shutdown; what they were not told about comes again")
	}
}

func (c *Collector) tidy(now time.Time) {
	c.quotas.tidy(now)
	for _, g := range c.gatherers {
		g.defs.forget(now)
	}
}

// gatherer returns that of the sender's partition: all of a sender's data is in
// one, in order.
func (c *Collector) gatherer(sender string) *gatherer {
	return c.gatherers[PartitionOf(sender, len(c.gatherers))]
}

// PartitionOf returns which of so many partitions of the ingest log a sender's data
// goes to.
func PartitionOf(sender string, partitions int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(sender)) // never fails
	return int(h.Sum64() % uint64(partitions))
}

// gate counts the streams and, once shut, lets no more in.
type gate struct {
	mu     sync.Mutex // guards what follows
	n      int
	closed bool
	empty  chan struct{} // closed when the gate is shut and all have left
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.n++
	}
	return !g.closed
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.closed && g.n == 0 {
		close(g.empty)
	}
}

func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.n == 0 {
		close(g.empty)
	}
	g.closed = true
	return g.empty
}
