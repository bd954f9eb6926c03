package fleetsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/esolutions/esmon/services/zstdgrpc"
)

// Config says what the fleet is like.
type Config struct {
	Agents    int           // how many agents
	Series    int           // series an agent; one batch holds as many samples
	Interval  time.Duration // between the samples of a series
	Paced     bool          // one batch an interval; else as fast as the server takes them
	Backdate  time.Duration // how far in the past the timestamps are when paced
	Window    int           // unacknowledged batches an agent, at the most
	Moments   uint64        // batches an agent; 0 for as many as the duration allows
	Duration  time.Duration // how long batches are made; 0 for until Moments are
	Drain     time.Duration // how long to wait for acknowledgements after that
	Recording string        // busy or idle
	Address   string        // of the agents' ports, host:port separated by commas
	Token     string        // enrolment token for as many agents
	Name      string        // host names are NAME-00000 and on

	// Script, if set, adds the gauge fleetsim_script to each agent's batches: its value
	// for the agent of the number at the time of the batch. The ledger leaves it out.
	Script func(agent int, at time.Time) float64 `json:"-"`
	// Cut, if set, tells whether the agent of the number is cut off from the platform: it
	// keeps its batches, and sends them when it is not any more.
	Cut func(agent int) bool `json:"-"`

	// OnAck, if set, is told when each batch was sent and acknowledged.
	OnAck func(sent, acked time.Time) `json:"-"`

	firstTime int64 // time of the first moment when not paced, Unix milliseconds
}

// DefaultConfig returns a small paced fleet.
func DefaultConfig() Config {
	return Config{
		Agents: 100, Series: 100, Interval: 10 * time.Second, Paced: true, Window: 8,
		Duration: time.Minute, Drain: time.Minute, Recording: "busy", Address: "127.0.0.1:8443", Name: "sim",
	}
}

// Validate says what is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Agents < 1 || c.Agents > 100_000:
		return fmt.Errorf("agents: %d: use 1 to 100000", c.Agents)
	case c.Series < 1 || c.Series > 100_000:
		return fmt.Errorf("series: %d: use 1 to 100000", c.Series)
	case c.Interval < time.Millisecond:
		return fmt.Errorf("interval: %s: use 1ms or more", c.Interval)
	case c.Backdate < 0:
		return fmt.Errorf("backdate: %s: use 0s or more", c.Backdate)
	case c.Window < 1:
		return fmt.Errorf("window: %d: use 1 or more", c.Window)
	case c.Duration <= 0 && c.Moments == 0:
		return errors.New("duration: give a duration or a number of moments")
	case c.Token == "":
		return errors.New("token: an enrolment token is needed")
	}
	return nil
}

// unpacedHistory is how far in the past an unpaced fleet begins: it replays
// history at the fleet's interval, so that cuts, blocks and merges see the
// timestamps that a long run would bring, only faster.
const unpacedHistory = 24 * time.Hour

// Fleet is a set of simulated agents.
type Fleet struct {
	cfg      Config
	rec      *Recording
	agents   []*agent
	counters counters
}

// counters are shared by all agents.
type counters struct {
	samples, batches, refused, putOff, reconnects atomic.Int64
	lastError                                     atomic.Value // string
	latency                                       latencies
}

func (c *counters) acked(samples int, latency time.Duration) {
	c.samples.Add(int64(samples))
	c.batches.Add(1)
	c.latency.add(latency)
}

// New enrols the agents of a fleet. Their keys live in memory only.
func New(ctx context.Context, cfg Config) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	rec, err := LoadRecording(cfg.Recording, cfg.Series)
	if err != nil {
		return nil, err
	}
	zstdgrpc.Register()
	cfg.firstTime = time.Now().Add(-unpacedHistory).Truncate(time.Second).UnixMilli()
	f := &Fleet{cfg: cfg, rec: rec}
	ids, err := enrolAll(ctx, &f.cfg)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		f.agents = append(f.agents, newAgent(i, id, &f.cfg, rec, &f.counters, i*7%len(rec.Values)))
	}
	return f, nil
}

// Run streams for the configured time, then waits until all is acknowledged. An
// error says how much is not.
func (f *Fleet) Run(ctx context.Context) (Report, error) {
	making := ctx
	if f.cfg.Duration > 0 {
		var cancel context.CancelFunc
		making, cancel = context.WithTimeout(ctx, f.cfg.Duration)
		defer cancel()
	}
	return f.RunUntil(ctx, making)
}

// RunUntil is Run with the time ended by making's end instead of by the
// configuration.
func (f *Fleet) RunUntil(ctx, making context.Context) (Report, error) {
	making, stop := context.WithCancel(making)
	defer stop()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	for _, a := range f.agents {
		wg.Go(func() {
			// The reason a session ended is in the counters; what counts here is
			// whether all was acknowledged in the end.
			_ = a.run(running, making, f.dial)
		})
	}
	f.waitForMaking(making)
	made := time.Since(began)
	stop()
	drained := make(chan struct{})
	go func() { wg.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(f.cfg.Drain):
		cancel()
		<-drained
	}
	report := f.report(made)
	if report.Unacknowledged > 0 {
		return report, fmt.Errorf("%d batches are not acknowledged %s after the last was made; last error: %s", report.Unacknowledged, f.cfg.Drain, report.LastError)
	}
	return report, ctx.Err()
}

// waitForMaking returns when making has ended or each agent has made all of its
// moments.
func (f *Fleet) waitForMaking(making context.Context) {
	for sleep(making, 20*time.Millisecond) {
		if !slices.ContainsFunc(f.agents, func(a *agent) bool { return !a.finished() }) {
			return
		}
	}
}

func (f *Fleet) dial(id identity) (*grpc.ClientConn, error) { return dialAgent(f.cfg.Address, id) }

// Report is what became of a run.
type Report struct {
	Samples        int64         `json:"samples"` // acknowledged
	Batches        int64         `json:"batches"` // acknowledged
	Unacknowledged int64         `json:"unacknowledged"`
	Refused        int64         `json:"refused"` // frames, for good
	PutOff         int64         `json:"put_off"` // batches that were to be sent again later
	Reconnects     int64         `json:"reconnects"`
	Took           time.Duration `json:"took"`
	P50            time.Duration `json:"ack_p50"` // from sending to acknowledgement
	P99            time.Duration `json:"ack_p99"`
	LastError      string        `json:"last_error,omitempty"`
}

func (f *Fleet) report(took time.Duration) Report {
	r := f.counters.report(took)
	for _, a := range f.agents {
		a.mu.Lock()
		r.Unacknowledged += int64(len(a.pending))
		a.mu.Unlock()
	}
	return r
}

func (c *counters) report(took time.Duration) Report {
	lastError, _ := c.lastError.Load().(string) // none yet is the empty text
	return Report{
		Samples: c.samples.Load(), Batches: c.batches.Load(), Refused: c.refused.Load(),
		PutOff: c.putOff.Load(), Reconnects: c.reconnects.Load(), Took: took,
		P50: c.latency.quantile(0.5), P99: c.latency.quantile(0.99), LastError: lastError,
	}
}

// Samples returns how many samples are acknowledged so far.
func (f *Fleet) Samples() int64 { return f.counters.samples.Load() }

// Reconnects returns how many streams broke so far.
func (f *Fleet) Reconnects() int64 { return f.counters.reconnects.Load() }
