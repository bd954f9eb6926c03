package app

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// maxPushPoints is how many points one Push may carry by the contract.
const maxPushPoints = 10_000

// pusher takes points in; the collector is one.
type pusher interface {
	Push(context.Context, *ingestv1.PushRequest) (*ingestv1.PushResponse, error)
}

// pushClient is a collector elsewhere.
type pushClient struct{ client ingestv1.IngestServiceClient }

func (c pushClient) Push(ctx context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	return c.client.Push(ctx, req)
}

// selfMonitor stores the platform's own metrics in the platform, by the way that
// every program's points take, so that its lag, drops and refusals have a past and
// can be shown and alerted on.
type selfMonitor struct {
	interval time.Duration
	labels   map[string]string // of every point: which server it is
	gather   prometheus.Gatherer
	push     pusher
	log      *slog.Logger
	failed   prometheus.Counter
}

func newSelfMonitor(interval time.Duration, labels map[string]string, g prometheus.Gatherer, p pusher, log *slog.Logger, reg prometheus.Registerer) *selfMonitor {
	m := &selfMonitor{interval: interval, labels: labels, gather: g, push: p, log: log, failed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "esmon_self_monitoring_failures_total", Help: "Readings of the platform's own metrics that could not be stored in whole.",
	})}
	reg.MustRegister(m.failed)
	return m
}

// Run stores a reading every interval until ctx ends.
func (m *selfMonitor) Run(ctx context.Context) error {
	tick := time.NewTicker(m.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := m.once(ctx, now); err != nil && ctx.Err() == nil {
				m.failed.Inc()
				m.log.Warn("the platform's own metrics were not stored", "err", err)
			}
		}
	}
}

func (m *selfMonitor) once(ctx context.Context, now time.Time) error {
	families, err := m.gather.Gather()
	if err != nil {
		return fmt.Errorf("gather the metrics: %w", err)
	}
	points := m.points(families, timestamppb.New(now))
	for len(points) > 0 {
		n := min(len(points), maxPushPoints)
		res, err := m.push.Push(ctx, &ingestv1.PushRequest{Points: points[:n]})
		if err != nil {
			return fmt.Errorf("store the metrics: %w", err)
		}
		if rs := res.GetRefusals(); len(rs) > 0 {
			return fmt.Errorf("store the metrics: %d of %d points were refused, the first, %s: %s", len(rs), n, points[rs[0].GetPoint()].GetName(), rs[0].GetMessage())
		}
		points = points[n:]
	}
	return nil
}

func (m *selfMonitor) points(families []*dto.MetricFamily, at *timestamppb.Timestamp) []*ingestv1.Point {
	var points []*ingestv1.Point
	for _, f := range families {
		c := converter{family: f, common: m.labels, at: at}
		for _, x := range f.GetMetric() {
			c.metric(x)
		}
		points = append(points, c.points...)
	}
	return points
}

// converter turns one family as the registry gathers it into points.
type converter struct {
	family *dto.MetricFamily
	common map[string]string
	at     *timestamppb.Timestamp
	points []*ingestv1.Point
}

func (c *converter) metric(x *dto.Metric) {
	switch {
	case x.GetCounter() != nil:
		c.add(x, "", ingestv1.MetricType_METRIC_TYPE_COUNTER, x.GetCounter().GetValue())
	case x.GetGauge() != nil:
		c.add(x, "", ingestv1.MetricType_METRIC_TYPE_GAUGE, x.GetGauge().GetValue())
	case x.GetUntyped() != nil:
		c.add(x, "", ingestv1.MetricType_METRIC_TYPE_UNSPECIFIED, x.GetUntyped().GetValue())
	case x.GetHistogram() != nil:
		c.histogram(x)
	case x.GetSummary() != nil:
		c.summary(x)
	}
}

func (c *converter) histogram(x *dto.Metric) {
	const t = ingestv1.MetricType_METRIC_TYPE_HISTOGRAM
	h, infinite := x.GetHistogram(), false
	for _, b := range h.GetBucket() {
		infinite = infinite || math.IsInf(b.GetUpperBound(), 1)
		c.add(x, "_bucket", t, float64(b.GetCumulativeCount()), "le", floatText(b.GetUpperBound()))
	}
	if !infinite {
		c.add(x, "_bucket", t, float64(h.GetSampleCount()), "le", "+Inf")
	}
	c.add(x, "_sum", t, h.GetSampleSum())
	c.add(x, "_count", t, float64(h.GetSampleCount()))
}

func (c *converter) summary(x *dto.Metric) {
	const t = ingestv1.MetricType_METRIC_TYPE_SUMMARY
	for _, q := range x.GetSummary().GetQuantile() {
		c.add(x, "", t, q.GetValue(), "quantile", floatText(q.GetQuantile()))
	}
	c.add(x, "_sum", t, x.GetSummary().GetSampleSum())
	c.add(x, "_count", t, float64(x.GetSummary().GetSampleCount()))
}

// floatText writes a bound as Prometheus' text format does.
func floatText(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// add makes one point; extra is pairs of label names and values.
func (c *converter) add(x *dto.Metric, suffix string, t ingestv1.MetricType, v float64, extra ...string) {
	labels := make(map[string]string, len(c.common)+len(x.GetLabel())+1)
	for k, val := range c.common {
		labels[k] = val
	}
	for _, l := range x.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	for i := 0; i+1 < len(extra); i += 2 {
		labels[extra[i]] = extra[i+1]
	}
	c.points = append(c.points, &ingestv1.Point{
		Name: c.family.GetName() + suffix, Labels: labels, Time: c.at, Value: v, Type: t, Help: c.family.GetHelp(),
	})
}
