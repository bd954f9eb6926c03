package schedule_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/schedule"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = probe.Schema(probe.Gauge("esmon.test.value", "1", "A value."))

// fake is a probe whose runs a test decides on.
type fake struct {
	name     string
	interval time.Duration
	collect  func(ctx context.Context, e *probe.Emitter) error
}

func (f *fake) Name() string                   { return f.name }
func (f *fake) DefaultInterval() time.Duration { return f.interval }
func (f *fake) Shapes() []probe.Shape          { return []probe.Shape{{Schema: schema}} }
func (f *fake) Collect(ctx context.Context, e *probe.Emitter) error {
	if f.collect == nil {
		e.Emit(schema, nil, time.Now(), 1)
		return nil
	}
	return f.collect(ctx, e)
}

// sink keeps what was put.
type sink struct {
	mu  sync.Mutex
	got []spool.Collection
}

func (s *sink) Put(c spool.Collection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, c)
}

// of returns the collections of a probe.
func (s *sink) of(name string) (out []spool.Collection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.got {
		if c.Probe == name {
			out = append(out, c)
		}
	}
	return out
}

// running is a schedule that runs in a bubble of its own time.
type running struct {
	*schedule.Schedule
	sink *sink
	stop func()
}

func start(t *testing.T, agent string, probes ...probe.Probe) *running {
	t.Helper()
	cfg := schedule.DefaultConfig()
	cfg.Agent = agent
	out := &sink{}
	s, err := schedule.New(cfg, probes, out, time.Now, discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return &running{s, out, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}}
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// stats returns how the probe does.
func (r *running) stats(t *testing.T, name string) schedule.Stats {
	t.Helper()
	for _, st := range r.Stats() {
		if st.Name == name {
			return st
		}
	}
	t.Fatalf("no probe %s", name)
	return schedule.Stats{}
}

func TestRhythm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, "agent-1", &fake{name: "a", interval: 10 * time.Second}, &fake{name: "b", interval: 10 * time.Second})
		time.Sleep(10 * time.Minute)
		r.stop()
		a, b := r.sink.of("a"), r.sink.of("b")
		if len(a) < 60 || len(a) > 62 || len(b) < 60 || len(b) > 62 {
			t.Fatalf("%d and %d runs in ten minutes at ten seconds", len(a), len(b))
		}
		for i := 2; i < len(a); i++ {
			if d := a[i].Started.Sub(a[i-1].Started); d != 10*time.Second {
				t.Errorf("run %d came after %s", i, d)
			}
		}
		if d := a[10].Started.Sub(b[10].Started).Abs(); d > 500*time.Millisecond || d == 0 {
			t.Errorf("the probes of one agent run %s apart; want together, but not at once", d)
		}
	})
}

func TestAgentsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all []*running
		for _, agent := range strings.Split("abcdefghijklmnopqrst", "") {
			all = append(all, start(t, agent, &fake{name: "cpu", interval: 10 * time.Second}))
		}
		time.Sleep(time.Minute)
		seconds := map[int64]int{}
		for _, r := range all {
			r.stop()
			got := r.sink.of("cpu")
			seconds[got[len(got)-1].Started.Unix()%10]++
		}
		if len(seconds) < 6 {
			t.Errorf("20 agents run in %d of 10 seconds: %v", len(seconds), seconds)
		}
	})
}

func TestHungProbeHarmsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		hung := &fake{name: "nfs", interval: 10 * time.Second, collect: func(_ context.Context, e *probe.Emitter) error {
			if calls++; calls == 1 {
				<-release // deaf to its context, as a system call is
			}
			e.Emit(schema, nil, time.Now(), 1)
			return nil
		}}
		r := start(t, "a", hung, &fake{name: "good", interval: 10 * time.Second})
		time.Sleep(5 * time.Minute)
		st := r.stats(t, "nfs")
		if st.Runs != 1 || st.Timeouts != 1 || st.Skipped < 29 || !st.Hanging || !strings.Contains(st.Error, "has not returned") {
			t.Errorf("stats of the hung probe: %+v", st)
		}
		if n := len(r.sink.of("good")); n < 30 {
			t.Errorf("the other probe ran %d times", n)
		}
		close(release)
		time.Sleep(time.Minute)
		if st := r.stats(t, "nfs"); st.Hanging || st.Error != "" || st.Runs < 6 {
			t.Errorf("it does not go on after it returned: %+v", st)
		}
		r.stop()
	})
}

func TestStopDoesNotWaitForHungProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := start(t, "a", &fake{name: "nfs", interval: 10 * time.Second, collect: func(_ context.Context, e *probe.Emitter) error {
			<-release
			e.Emit(schema, nil, time.Now(), 1)
			return nil
		}})
		time.Sleep(time.Minute)
		before := time.Now()
		r.stop()
		if d := time.Since(before); d != 0 {
			t.Errorf("the stop took %s", d)
		}
		close(release)
		synctest.Wait()
		if got := r.sink.of("nfs"); len(got) != 0 {
			t.Errorf("a result after the end was put: %v", got)
		}
	})
}

func TestSlowProbeIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, "a", &fake{name: "slow", interval: 10 * time.Second, collect: func(ctx context.Context, e *probe.Emitter) error {
			e.Emit(schema, nil, time.Now(), 1)
			<-ctx.Done()
			return ctx.Err()
		}})
		time.Sleep(65 * time.Second)
		synctest.Wait()
		st := r.stats(t, "slow")
		if st.Timeouts < 3 || st.Failures < 3 || st.Duration != 10*time.Second || st.Hanging {
			t.Errorf("stats %+v", st)
		}
		r.stop()
		for _, c := range r.sink.of("slow") {
			if c.Complete || len(c.Readings) != 1 {
				t.Errorf("what was read before the timeout must count, but not as all: %+v", c)
			}
		}
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, "a", &fake{name: "bad", interval: 10 * time.Second, collect: func(context.Context, *probe.Emitter) error { panic("index out of range") }},
			&fake{name: "good", interval: 10 * time.Second})
		time.Sleep(time.Minute)
		r.stop()
		if st := r.stats(t, "bad"); st.Panics < 6 || st.Failures != st.Panics || !strings.Contains(st.Error, "index out of range") {
			t.Errorf("stats %+v", st)
		}
		if len(r.sink.of("good")) < 6 {
			t.Error("the other probe stopped")
		}
	})
}

func TestFailureIsNotComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		r := start(t, "a", &fake{name: "p", interval: 10 * time.Second, collect: func(_ context.Context, e *probe.Emitter) error {
			e.Emit(schema, nil, time.Now(), 1)
			if !works.Load() {
				return errors.New("permission denied")
			}
			return nil
		}})
		time.Sleep(15 * time.Second)
		works.Store(true)
		time.Sleep(10 * time.Second)
		r.stop()
		got := r.sink.of("p")
		if got[0].Complete || len(got[0].Readings) != 1 || !got[len(got)-1].Complete {
			t.Errorf("collections %+v", got)
		}
		if st := r.stats(t, "p"); st.Failures < 1 || st.Error != "" {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestSlowRhythmIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		r := start(t, "a", &fake{name: "host", interval: 10 * time.Minute, collect: func(_ context.Context, e *probe.Emitter) error {
			runs++
			if runs > 2 {
				return errors.New("gone")
			}
			e.Emit(schema, nil, time.Now(), float64(runs))
			return nil
		}})
		time.Sleep(2 * time.Hour)
		r.stop()
		got := r.sink.of("host")
		var last time.Time
		repeats := 0
		for _, c := range got {
			if len(c.Readings) == 0 {
				continue // a failed run
			}
			at := time.UnixMilli(c.Readings[0].Time)
			if !last.IsZero() && at.Sub(last) > time.Minute {
				t.Errorf("a gap of %s before %s", at.Sub(last), at)
			}
			last = at
			if !c.Complete {
				repeats++
			}
		}
		good := r.stats(t, "host").LastRun
		if repeats < 25 || last.Sub(good) < 25*time.Minute || last.Sub(good) > 31*time.Minute {
			t.Errorf("%d repeats, the last %s after the last good run; want them for three intervals", repeats, last.Sub(good))
		}
	})
}

func TestWhatEndedIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		r := start(t, "a", &fake{name: "host", interval: 10 * time.Minute, collect: func(_ context.Context, e *probe.Emitter) error {
			if runs++; runs <= 2 {
				e.Emit(schema, nil, time.Now(), 1)
			}
			return nil
		}})
		time.Sleep(time.Hour)
		r.stop()
		ended := false
		for _, c := range r.sink.of("host") {
			if len(c.Readings) == 0 {
				ended = true
			} else if ended {
				t.Fatalf("what had ended was repeated at %s", c.Started)
			}
		}
		if !ended {
			t.Fatal("no run without readings was put")
		}
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, "a", &fake{name: "host", interval: 10 * time.Minute}, &fake{name: "never", interval: time.Minute, collect: func(context.Context, *probe.Emitter) error {
			return errors.New("not here")
		}})
		time.Sleep(10 * time.Minute)
		r.stop()
		reports := r.sink.of(schedule.ProbeName)
		if len(reports) < 10 {
			t.Fatalf("%d reports in ten minutes", len(reports))
		}
		last := reports[len(reports)-1]
		if len(last.Readings) != 2 || last.Readings[0].Labels.Get("probe") != "host" || !last.Complete {
			t.Fatalf("report %+v", last)
		}
		value := func(i int, name string) float64 {
			for c := range schedule.Schema().Columns {
				if schedule.Schema().Columns[c].Name == name {
					return last.Readings[i].Values[c]
				}
			}
			t.Fatalf("no column %s", name)
			return 0
		}
		at := r.stats(t, "host").LastRun
		if got := value(0, "esmon_probe_last_run_timestamp_seconds"); got != float64(at.UnixMilli())/1000 {
			t.Errorf("last run is %f, want %s", got, at)
		}
		if !metric.IsMissing(value(1, "esmon_probe_last_run_timestamp_seconds")) || value(1, "esmon_probe_failures_total") < 10 {
			t.Errorf("a probe that never worked: %v", last.Readings[1].Values)
		}
	})
}

func TestRefusedProbes(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	_, err := schedule.New(schedule.DefaultConfig(), []probe.Probe{&fake{name: "a", interval: 1}, &fake{name: "a", interval: 1}}, &sink{}, time.Now, log)
	if err == nil || !strings.Contains(err.Error(), `two probes are named "a"`) {
		t.Errorf("error is %v", err)
	}
	_, err = schedule.New(schedule.DefaultConfig(), []probe.Probe{&fake{name: "a"}}, &sink{}, time.Now, log)
	if err == nil || !strings.Contains(err.Error(), "must be positive") {
		t.Errorf("error is %v", err)
	}
}
