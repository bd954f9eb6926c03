package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
)

// Stats say how a probe does. Counts are since the process started.
type Stats struct {
	Name     string
	Interval time.Duration
	Runs     int64         // that were started
	Failures int64         // runs that returned an error or panicked
	Timeouts int64         // runs that had not returned in time
	Skipped  int64         // runs not started because the one before had not returned
	Panics   int64         // runs that panicked
	Readings int64         // that the last run brought
	Duration time.Duration // of the last run that returned
	LastRun  time.Time     // when the last run that brought readings was started; zero if none
	Hanging  bool          // the run before has not returned
	Error    string        // of the last run; empty if it was good
}

// job is the life of one probe.
type job struct {
	s        *Schedule
	p        probe.Probe
	name     string
	interval time.Duration
	timeout  time.Duration

	mu       sync.Mutex // guards what follows
	running  bool
	begun    time.Time // of the newest run
	due      time.Time // when the next run is to start; zero before that is known
	again    time.Time // when the last readings are to be repeated; zero if they are not
	stats    Stats
	returned int64           // number of the newest run that has returned
	last     []probe.Reading // of the last run that was good or brought some; for repeating
	ended    bool            // the schedule has ended: late results go nowhere
}

func newJob(s *Schedule, p probe.Probe, name string, interval time.Duration) *job {
	return &job{
		s: s, p: p, name: name, interval: interval, timeout: min(s.cfg.Timeout, interval),
		stats: Stats{Name: name, Interval: interval},
	}
}

// loop runs the probe at once and then in its rhythm.
func (j *job) loop(ctx context.Context) {
	defer j.end()
	at := phase(j.s.cfg.Agent, j.name, j.interval)
	running := j.start(ctx)
	next := time.NewTimer(j.plan(at))
	defer next.Stop()
	repeat := j.repeatTicker()
	defer repeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			running = j.startUnless(ctx, running)
			next.Reset(j.plan(at))
		case <-repeat.C:
			j.repeat()
		}
	}
}

// plan notes when the next run is to start and returns how long that is from now.
func (j *job) plan(phase time.Duration) time.Duration {
	now := j.s.now()
	wait := untilNext(now, j.interval, phase)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.due = now.Add(wait)
	return wait
}

// pending returns from when on the job still brings readings. A run that hangs does
// not count: what it brings after all comes late.
func (j *job) pending() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.due
	if j.running && !j.stats.Hanging || first.IsZero() {
		first = j.begun // zero before the first run
	}
	if !j.again.IsZero() && j.again.Before(first) {
		first = j.again
	}
	return first
}

// repeatTicker ticks for probes that are too slow for the look-back of queries.
func (j *job) repeatTicker() *time.Ticker {
	if j.interval > j.s.cfg.RepeatFrom {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.again = j.s.now().Add(j.s.cfg.RepeatEvery)
		return time.NewTicker(j.s.cfg.RepeatEvery)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

// startUnless starts a run, unless the one before still runs.
func (j *job) startUnless(ctx context.Context, running <-chan struct{}) <-chan struct{} {
	select {
	case <-running:
		return j.start(ctx)
	default:
		j.update(func(st *Stats) { st.Skipped++ })
		return running
	}
}

// start starts a run. The channel is closed when it has returned, however late.
func (j *job) start(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	begun := j.s.now()
	clock := time.Now()
	rctx, cancel := context.WithTimeout(ctx, j.timeout)
	var run int64
	j.update(func(st *Stats) {
		st.Runs++
		run = st.Runs
		j.running, j.begun = true, begun
	})
	late := time.AfterFunc(j.timeout, func() { j.late(ctx, run) })
	go func() {
		defer close(done)
		defer cancel()
		readings, err := j.collect(rctx)
		late.Stop()
		j.finish(ctx, begun, time.Since(clock), readings, err)
	}()
	return done
}

// late notes that a run has not returned in time. It may have by now, as one that
// heeds its context does.
func (j *job) late(ctx context.Context, run int64) {
	first := false
	j.update(func(st *Stats) {
		st.Timeouts++
		if j.returned >= run {
			return
		}
		first = st.Error == ""
		st.Hanging = true
		st.Error = fmt.Sprintf("the run has not returned after %s; no other is started before it does", j.timeout)
	})
	if first && ctx.Err() == nil {
		j.s.log.WarnContext(ctx, "probe does not return", "probe", j.name, "after", j.timeout.String())
	}
}

// errPanic marks the error of a run that panicked.
var errPanic = errors.New("panic")

// collect runs the probe and turns a panic into an error.
func (j *job) collect(ctx context.Context) (readings []probe.Reading, err error) {
	var e probe.Emitter
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())
		}
		readings = e.Readings()
	}()
	err = j.p.Collect(ctx, &e)
	return nil, errors.Join(err, e.Err())
}

// finish takes what a run brought. What was read before an error counts.
func (j *job) finish(ctx context.Context, begun time.Time, took time.Duration, readings []probe.Reading, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.returned = j.stats.Runs // only one runs at a time
	defer func() { j.running = false }()
	if j.ended || ctx.Err() != nil && err != nil {
		return // stopped in the middle: no failure of the probe
	}
	recovered := j.stats.Error != "" && err == nil
	j.note(ctx, begun, took, len(readings), err)
	if recovered {
		j.s.log.InfoContext(ctx, "probe works again", "probe", j.name)
	}
	// A good run that found nothing counts too: what was there has ended, and
	// repeating it would bring it back.
	if len(readings) > 0 || err == nil {
		j.last = readings
	}
	j.s.sink.Put(spool.Collection{Probe: j.name, Started: begun, Readings: readings, Complete: err == nil})
}

// note counts a run. The caller holds mu.
func (j *job) note(ctx context.Context, begun time.Time, took time.Duration, readings int, err error) {
	st := &j.stats
	st.Duration, st.Hanging, st.Readings = took, false, int64(readings)
	if readings > 0 || err == nil {
		st.LastRun = begun
	}
	if err == nil {
		st.Error = ""
		return
	}
	st.Failures++
	if errors.Is(err, errPanic) {
		st.Panics++
	}
	if text := err.Error(); text != st.Error {
		st.Error = text
		j.s.log.WarnContext(ctx, "probe failed", "probe", j.name, "error", err, "readings", readings)
	}
}

// repeatLimit is for how many intervals without a good run the last readings are
// repeated: after that they are no longer what is.
const repeatLimit = 3

// repeat puts the last readings again, with the time of now.
func (j *job) repeat() {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.s.now()
	defer func() { j.again = now.Add(j.s.cfg.RepeatEvery) }() // once they are put
	if len(j.last) == 0 || now.Sub(j.stats.LastRun) > repeatLimit*j.interval {
		return
	}
	readings := make([]probe.Reading, len(j.last))
	for i, r := range j.last {
		r.Time = now.UnixMilli()
		r.Values = append([]float64(nil), r.Values...)
		readings[i] = r
	}
	j.s.sink.Put(spool.Collection{Probe: j.name, Started: now, Readings: readings})
}

func (j *job) update(f func(*Stats)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.stats)
}

// end makes what still runs report to nobody.
func (j *job) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
}

func (j *job) snapshot() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}
