package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
)

// Config are the settings of the schedule.
type Config struct {
	// Agent is what the rhythm is derived from: the agent's id.
	Agent string
	// Intervals replace the probes' own, by name.
	Intervals map[string]time.Duration
	// Timeout is how long a run may take at most; an interval shorter than that
	// is the bound itself.
	Timeout time.Duration
	// RepeatFrom is from which interval on a probe's last readings are repeated
	// in between, and RepeatEvery how often: queries look back five minutes.
	RepeatFrom, RepeatEvery time.Duration
	// ReportEvery is how often the schedule reports on the probes.
	ReportEvery time.Duration
}

// DefaultConfig returns settings that suit all hosts.
func DefaultConfig() Config {
	return Config{Timeout: 30 * time.Second, RepeatFrom: 2 * time.Minute, RepeatEvery: time.Minute, ReportEvery: time.Minute}
}

// Sink takes what probes read. It must not block for long.
type Sink interface {
	Put(c spool.Collection)
}

// Schedule runs probes.
type Schedule struct {
	cfg  Config
	sink Sink
	now  func() time.Time
	log  *slog.Logger
	jobs []*job

	mu     sync.Mutex // guards report
	report time.Time  // when the next report is due; zero before the first
}

// New returns a schedule of the probes; Run starts it. Names must be unique.
func New(cfg Config, probes []probe.Probe, sink Sink, now func() time.Time, log *slog.Logger) (*Schedule, error) {
	s := &Schedule{cfg: cfg, sink: sink, now: now, log: log}
	for _, p := range probes {
		name := p.Name()
		if slices.ContainsFunc(s.jobs, func(j *job) bool { return j.name == name }) {
			return nil, fmt.Errorf("schedule: two probes are named %q", name)
		}
		interval := p.DefaultInterval()
		if d, ok := cfg.Intervals[name]; ok {
			interval = d
		}
		if interval <= 0 {
			return nil, fmt.Errorf("schedule: probe %q has interval %s; it must be positive", name, interval)
		}
		s.jobs = append(s.jobs, newJob(s, p, name, interval))
	}
	return s, nil
}

// Run runs the probes until ctx ends, and then returns without waiting for those
// that hang: what they read after that goes nowhere.
func (s *Schedule) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, j := range s.jobs {
		wg.Go(func() { j.loop(ctx) })
	}
	wg.Go(func() { s.reportLoop(ctx) })
	wg.Wait()
	return nil
}

// reportLoop puts the schedule's own metrics beside those of the probes.
func (s *Schedule) reportLoop(ctx context.Context) {
	wait := time.Second // the first report soon after the first runs
	for pause(ctx, s.reportIn(wait)) {
		s.Report()
		wait = untilNext(s.now(), s.cfg.ReportEvery, phase(s.cfg.Agent, ProbeName, s.cfg.ReportEvery))
	}
}

// reportIn notes when the next report is due.
func (s *Schedule) reportIn(wait time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = s.now().Add(wait)
	return wait
}

// Pending returns from when on readings are still to come: all that were read before
// are with the sink. It is the beginning of the oldest run under way or, if none is,
// when the next one is due; the zero time before the first runs.
func (s *Schedule) Pending() time.Time {
	s.mu.Lock()
	first := s.report
	s.mu.Unlock()
	for _, j := range s.jobs {
		if at := j.pending(); at.Before(first) {
			first = at
		}
	}
	return first
}

// pause waits and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Stats returns how each probe does, in the order of the schedule.
func (s *Schedule) Stats() []Stats {
	out := make([]Stats, len(s.jobs))
	for i, j := range s.jobs {
		out[i] = j.snapshot()
	}
	return out
}

// Names returns the names under which the schedule puts collections.
func (s *Schedule) Names() []string {
	names := []string{ProbeName}
	for _, j := range s.jobs {
		names = append(names, j.name)
	}
	return names
}
