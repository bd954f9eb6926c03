package schedule

import (
	"sync"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/metric"
)

// ProbeName is the name under which the schedule reports on the probes.
const ProbeName = "schedule"

// Schema is what is reported on each probe; the entity is {probe="<name>"}.
var Schema = sync.OnceValue(func() *metric.Schema {
	return probe.Schema(
		probe.Counter("esmon.probe.runs", "{run}", "Runs of the probe that were started."),
		probe.Counter("esmon.probe.failures", "{run}", "Runs that returned an error or panicked."),
		probe.Counter("esmon.probe.panics", "{run}", "Runs that panicked."),
		probe.Counter("esmon.probe.timeouts", "{run}", "Runs that had not returned in time."),
		probe.Counter("esmon.probe.skipped", "{run}", "Runs not started because the one before had not returned."),
		probe.Gauge("esmon.probe.readings", "{reading}", "Readings that the last run brought."),
		probe.Gauge("esmon.probe.duration", "s", "How long the last run that returned took."),
		probe.Gauge("esmon.probe.interval", "s", "How often the probe is to run."),
		probe.Gauge("esmon.probe.last_run.timestamp", "s", "When the last run that brought readings was started, Unix time."),
		probe.Gauge("esmon.probe.hanging", "", "1 if the last run has not returned in time, else 0."),
	)
})

// Report puts the schedule's own metrics.
func (s *Schedule) Report() {
	now := s.now()
	c := spool.Collection{Probe: ProbeName, Started: now, Complete: true}
	for _, st := range s.Stats() {
		c.Readings = append(c.Readings, probe.Reading{
			Schema: Schema(), Labels: probe.Label("probe", st.Name), Time: now.UnixMilli(), Values: st.values(),
		})
	}
	s.sink.Put(c)
}

func (st *Stats) values() []float64 {
	last := metric.Missing()
	if !st.LastRun.IsZero() {
		last = float64(st.LastRun.UnixMilli()) / 1000
	}
	hanging := 0.0
	if st.Hanging {
		hanging = 1
	}
	return []float64{
		float64(st.Runs), float64(st.Failures), float64(st.Panics), float64(st.Timeouts), float64(st.Skipped),
		float64(st.Readings), seconds(st.Duration), seconds(st.Interval), last, hanging,
	}
}

func seconds(d time.Duration) float64 { return d.Seconds() }
