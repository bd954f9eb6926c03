package doctor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
)

const (
	// reportSpan is how far back what the agent says of itself is looked at.
	reportSpan = 10 * time.Minute
	// longSpan is how far back the last word of a silent agent is looked for.
	longSpan = 24 * time.Hour
	// usualInterval is how often an agent reports on itself, unless configured.
	usualInterval = 10 * time.Second
	// skewFar is from which difference of the clocks on graphs are wrong.
	skewFar = 10 * time.Second
)

// What is asked for of what an agent says of itself.
const (
	spoolAge     = "esmon_agent_spool_oldest_age_seconds"
	spoolBytes   = "esmon_agent_spool_bytes"
	spoolSamples = "esmon_agent_spool_samples"
	lost         = "esmon_agent_lost_samples_total"         // by reason
	refused      = "esmon_agent_refused_total"              // by reason
	failures     = "esmon_probe_failures_total"             // by probe
	interval     = "esmon_probe_interval_seconds"           // by probe
	lastRun      = "esmon_probe_last_run_timestamp_seconds" // by probe
	hanging      = "esmon_probe_hanging"                    // by probe
)

// selfProbe is the probe that reports on the agent itself.
const selfProbe = "agent"

// report is what an agent said of itself lately, as queries return it.
type report struct {
	err    error     // why there is none: queries are not answered
	newest time.Time // when its newest sample was measured, by the server's clock; zero without one
	first  int64     // time of the oldest sample, Unix ms of the agent's clock
	last   int64     // of the newest
	series map[seriesKey][]*queryv1.Sample
	silent bool // only its last word of the last day, if that
}

// seriesKey is a metric and, where it has one, its label probe or reason.
type seriesKey struct{ metric, label string }

// ask asks what the agent said of itself lately, and if it said nothing, what it
// said last.
func (d *Doctor) ask(ctx context.Context, p patient, now time.Time) *report {
	if p.hostName == "" && p.hostID == "" {
		return &report{silent: true} // it never said what host it is on
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	skew := time.Duration(p.agent.GetClockSkewMs()) * time.Millisecond
	r := d.askFor(ctx, p, now, skew, reportSpan, spoolAge, spoolBytes, spoolSamples, lost, refused, failures, interval, lastRun, hanging)
	if r.err != nil || len(r.series) > 0 {
		return r
	}
	r = d.askFor(ctx, p, now, skew, longSpan, spoolAge, spoolSamples)
	r.silent = true
	return r
}

func (d *Doctor) askFor(ctx context.Context, p patient, now time.Time, skew, span time.Duration, metrics ...string) *report {
	// The samples carry the time of the agent's host: the span is moved and widened
	// by as much as its clock is wrong.
	end := now.Add(max(skew, 0))
	span = min(span+skew.Abs(), longSpan+reportSpan)
	expr := fmt.Sprintf("{__name__=~%s,host_name=%s", strconv.Quote(strings.Join(metrics, "|")), strconv.Quote(p.hostName))
	if p.agent != nil {
		expr += ",host_id=" + strconv.Quote(p.hostID)
	}
	res, err := d.deps.Queries.Query(ctx, &queryv1.QueryRequest{
		Query: fmt.Sprintf("%s}[%ds]", expr, int(span.Seconds())), Time: timestamppb.New(end),
	})
	if err != nil {
		return &report{err: d.explain(ctx, "queries", err)}
	}
	return newReport(res.GetSeries(), skew)
}

// newReport puts the series in order. Those that differ only in the operator's tags
// follow each other.
func newReport(list []*queryv1.Series, skew time.Duration) *report {
	r := &report{series: map[seriesKey][]*queryv1.Sample{}}
	for _, s := range list {
		ls := s.GetLabels()
		k := seriesKey{ls["__name__"], ls["probe"] + ls["reason"]}
		r.series[k] = append(r.series[k], s.GetSamples()...)
	}
	for _, samples := range r.series {
		slices.SortFunc(samples, func(a, b *queryv1.Sample) int { return int(a.GetTimestampMs() - b.GetTimestampMs()) })
		if t := samples[0].GetTimestampMs(); r.first == 0 || t < r.first {
			r.first = t
		}
		r.last = max(r.last, samples[len(samples)-1].GetTimestampMs())
	}
	if r.last > 0 {
		r.newest = time.UnixMilli(r.last).Add(-skew)
	}
	return r
}

// value returns the newest value, and whether there is one.
func (r *report) value(metric, label string) (float64, bool) {
	s := r.series[seriesKey{metric, label}]
	if len(s) == 0 {
		return 0, false
	}
	v := s[len(s)-1].GetValue()
	return v, !math.IsNaN(v)
}

// current tells whether the series is in the newest reports still.
func (r *report) current(metric, label string) bool {
	s := r.series[seriesKey{metric, label}]
	return len(s) > 0 && r.last-s[len(s)-1].GetTimestampMs() <= 3*r.every().Milliseconds()
}

// increase returns by how much a counter grew in what was looked at. One that
// appeared meanwhile grew from nothing.
func (r *report) increase(metric, label string) float64 {
	s := r.series[seriesKey{metric, label}]
	if len(s) == 0 {
		return 0
	}
	sum, before := 0.0, s[0].GetValue()
	if s[0].GetTimestampMs()-r.first > 3*r.every().Milliseconds() {
		before = 0
	}
	for _, x := range s {
		v := x.GetValue()
		if v < before { // the agent was started again
			before = 0
		}
		sum, before = sum+v-before, v
	}
	return sum
}

// labels returns the labels of the series of a metric, sorted.
func (r *report) labels(metric string) (out []string) {
	for k := range r.series {
		if k.metric == metric {
			out = append(out, k.label)
		}
	}
	slices.Sort(out)
	return out
}

// every returns how often the agent reports on itself.
func (r *report) every() time.Duration {
	if v, ok := r.value(interval, selfProbe); ok && v > 0 {
		return max(usualInterval, seconds(v))
	}
	return usualInterval
}

// fresh tells whether the report shows how the agent is now.
func (r *report) fresh(now time.Time) bool {
	return r.err == nil && !r.silent && !r.newest.IsZero() && now.Sub(r.newest) <= 30*time.Second+3*r.every()
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
