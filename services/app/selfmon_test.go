package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// sink keeps what is pushed.
type sink struct {
	requests []*ingestv1.PushRequest
	answer   *ingestv1.PushResponse
	err      error
}

func (s *sink) Push(_ context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	s.requests = append(s.requests, req)
	return s.answer, s.err
}

func text(p *ingestv1.Point) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(p.GetLabels())) {
		pairs = append(pairs, k+"="+p.GetLabels()[k])
	}
	return fmt.Sprintf("%s{%s} %v", p.GetName(), strings.Join(pairs, ","), p.GetValue())
}

func TestSelfMonitoringStoresEveryKindOfMetric(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total", Help: "Things."}, []string{"reason"})
		counter.WithLabelValues("x").Add(2)
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "b_seconds", Buckets: []float64{0.5, 1}})
		h.Observe(0.7)
		h.Observe(7)
		q := prometheus.NewSummary(prometheus.SummaryOpts{Name: "c", Objectives: map[float64]float64{0.5: 0.1}})
		q.Observe(3)
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "d"})
		g.Set(-1)
		reg.MustRegister(counter, h, q, g)
		s := &sink{answer: &ingestv1.PushResponse{}}
		own := prometheus.NewRegistry()
		m := newSelfMonitor(10*time.Second, map[string]string{"server": "me"}, reg, s, slog.New(slog.DiscardHandler), own)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		begin := time.Now()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(s.requests) != 1 {
			t.Fatalf("%d requests", len(s.requests))
		}
		var got []string
		for _, p := range s.requests[0].GetPoints() {
			got = append(got, text(p))
			if !p.GetTime().AsTime().Equal(begin.Add(10 * time.Second)) {
				t.Errorf("%s at %s", p.GetName(), p.GetTime().AsTime())
			}
		}
		want := []string{
			"a_total{reason=x,server=me} 2",
			"b_seconds_bucket{le=0.5,server=me} 0", "b_seconds_bucket{le=1,server=me} 1", "b_seconds_bucket{le=+Inf,server=me} 2",
			"b_seconds_sum{server=me} 7.7", "b_seconds_count{server=me} 2",
			"c{quantile=0.5,server=me} 3", "c_sum{server=me} 3", "c_count{server=me} 1",
			"d{server=me} -1",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if p := s.requests[0].GetPoints()[0]; p.GetHelp() != "Things." || p.GetType() != ingestv1.MetricType_METRIC_TYPE_COUNTER {
			t.Errorf("got %v", p)
		}
	})
}

func TestSelfMonitoringGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*sink{
		"an error":        {err: errors.New("the log is full")},
		"a refused point": {answer: &ingestv1.PushResponse{Refusals: []*ingestv1.PointRefusal{{Point: 0, Message: "no"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				m := newSelfMonitor(time.Second, nil, reg, s, slog.New(slog.DiscardHandler), reg)
				ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
				defer cancel()
				if err := m.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if n := testutil.ToFloat64(m.failed); n != 3 || len(s.requests) != 3 {
					t.Errorf("%v failures of %d readings", n, len(s.requests))
				}
			})
		})
	}
}

func TestSelfMonitoringSplitsWhatIsTooLargeForOneRequest(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "a"}, []string{"n"})
	for i := range maxPushPoints + 5 {
		g.WithLabelValues(fmt.Sprint(i)).Set(1)
	}
	reg.MustRegister(g)
	s := &sink{answer: &ingestv1.PushResponse{}}
	m := newSelfMonitor(time.Second, nil, reg, s, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := m.once(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if len(s.requests) != 2 || len(s.requests[0].GetPoints()) != maxPushPoints || len(s.requests[1].GetPoints()) != 5 {
		t.Errorf("%d requests", len(s.requests))
	}
}
