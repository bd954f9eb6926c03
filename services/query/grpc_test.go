package query_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/query"
)

func at(seconds int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(seconds, 0)) }

// counter returns the counter of failures by a reason.
func counter(t *testing.T, r *rig, reason string) prometheus.Counter {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "copy"})
	for _, f := range families {
		if f.GetName() != "esmon_query_failures_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == reason }) {
				c.Add(m.GetCounter().GetValue())
			}
		}
	}
	return c
}

func TestQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	ask := func(expr string) *queryv1.QueryResponse {
		resp, err := r.service.Query(t.Context(), &queryv1.QueryRequest{Query: expr, Time: at(50)})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := ask(`up`)
	if resp.GetResultType() != "vector" || len(resp.GetSeries()) != 2 {
		t.Fatalf("got %v", resp)
	}
	if s := resp.GetSeries()[1]; s.GetLabels()["host_name"] != "b" || s.GetLabels()["__name__"] != "up" || s.GetSamples()[0].GetTimestampMs() != 50_000 || s.GetSamples()[0].GetValue() != 0 {
		t.Errorf("got %v", s)
	}
	if resp := ask(`2`); resp.GetResultType() != "scalar" || resp.GetSeries()[0].GetSamples()[0].GetValue() != 2 {
		t.Errorf("got %v", resp)
	}
	if resp := ask(`"x"`); resp.GetResultType() != "string" || resp.GetText() != "x" {
		t.Errorf("got %v", resp)
	}
	if resp := ask(`up[3s]`); resp.GetResultType() != "matrix" || len(resp.GetSeries()[0].GetSamples()) != 3 {
		t.Errorf("got %v", resp)
	}
	if resp := ask(`rate(up[9s])`); len(resp.GetWarnings()) != 1 || !strings.Contains(resp.GetWarnings()[0], "might not be a counter") {
		t.Errorf("got %v", resp)
	}
	// Without a time it is now, and small holds nothing of now.
	if resp, err := r.service.Query(t.Context(), &queryv1.QueryRequest{Query: `up`}); err != nil || len(resp.GetSeries()) != 0 {
		t.Errorf("now: %v %v", resp, err)
	}
}

func TestQueryRange(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	resp, err := r.service.QueryRange(t.Context(), &queryv1.QueryRangeRequest{Query: `up * 2`, Start: at(10), End: at(20), StepMs: 5000})
	if err != nil || len(resp.GetSeries()) != 2 {
		t.Fatalf("got %v %v", resp, err)
	}
	if s := resp.GetSeries()[0].GetSamples(); len(s) != 3 || s[2].GetTimestampMs() != 20_000 || s[2].GetValue() != 2 {
		t.Errorf("got %v", s)
	}
	if resp, err = r.service.QueryRange(t.Context(), &queryv1.QueryRangeRequest{Query: `1`, Start: at(10), End: at(20), StepMs: 5000}); err != nil || len(resp.GetSeries()[0].GetSamples()) != 3 {
		t.Errorf("scalar: %v %v", resp, err)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), nil)
	series, err := r.service.ListSeries(t.Context(), &queryv1.ListSeriesRequest{Match: []string{`up`, `{host_name="a"}`}})
	if err != nil || len(series.GetSeries()) != 3 || series.GetSeries()[0].GetLabels()["__name__"] != "sent_bytes_total" || len(series.GetWarnings()) > 0 {
		t.Errorf("series %v %v", series, err)
	}
	series, err = r.service.ListSeries(t.Context(), &queryv1.ListSeriesRequest{Match: []string{`up`}, Limit: 1})
	if err != nil || len(series.GetSeries()) != 1 || len(series.GetWarnings()) != 1 {
		t.Errorf("limited series %v %v", series, err)
	}
	names, err := r.service.ListLabelNames(t.Context(), &queryv1.ListLabelNamesRequest{Match: []string{`odd`}})
	if err != nil || !slices.Equal(names.GetNames(), []string{"__name__", "kind"}) {
		t.Errorf("names %v %v", names, err)
	}
	values, err := r.service.ListLabelValues(t.Context(), &queryv1.ListLabelValuesRequest{Name: "host_name"})
	if err != nil || !slices.Equal(values.GetValues(), []string{"a", "b"}) {
		t.Errorf("values %v %v", values, err)
	}
	metrics, err := r.service.ListMetrics(t.Context(), &queryv1.ListMetricsRequest{NameContains: "s"})
	if err != nil || len(metrics.GetMetrics()) != 2 || metrics.GetMetrics()[1].GetName() != "wait_seconds" || metrics.GetMetrics()[1].GetType() != "histogram" {
		t.Errorf("metrics %v %v", metrics, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, small(), func(c *query.Config) { c.MaxSeries = 4 })
	year9999 := &timestamppb.Timestamp{Seconds: 253402300799}
	ranged := func(req *queryv1.QueryRangeRequest) func(context.Context) error {
		return func(ctx context.Context) error { _, err := r.service.QueryRange(ctx, req); return err }
	}
	instant := func(req *queryv1.QueryRequest) func(context.Context) error {
		return func(ctx context.Context) error { _, err := r.service.Query(ctx, req); return err }
	}
	series := func(req *queryv1.ListSeriesRequest) func(context.Context) error {
		return func(ctx context.Context) error { _, err := r.service.ListSeries(ctx, req); return err }
	}
	for name, c := range map[string]struct {
		call   func(context.Context) error
		reason string
		text   string
	}{
		"malformed":        {instant(&queryv1.QueryRequest{Query: "up{"}), "query_invalid", "parse error"},
		"empty":            {instant(&queryv1.QueryRequest{}), "query_invalid", "no expression"},
		"time too late":    {instant(&queryv1.QueryRequest{Query: "up", Time: year9999}), "query_invalid", `"time"`},
		"time malformed":   {instant(&queryv1.QueryRequest{Query: "up", Time: &timestamppb.Timestamp{Seconds: math.MaxInt64}}), "query_invalid", `"time"`},
		"too many series":  {instant(&queryv1.QueryRequest{Query: "odd", Time: at(50)}), "query_too_many_series", "query.max_series"},
		"cannot be done":   {instant(&queryv1.QueryRequest{Query: "up * on() up", Time: at(50)}), "query_failed", "many-to-many"},
		"no start":         {ranged(&queryv1.QueryRangeRequest{Query: "up", End: at(1), StepMs: 1}), "query_invalid", "give both"},
		"no step":          {ranged(&queryv1.QueryRangeRequest{Query: "up", Start: at(0), End: at(1)}), "query_invalid", `"step_ms"`},
		"end before start": {ranged(&queryv1.QueryRangeRequest{Query: "up", Start: at(2), End: at(1), StepMs: 1}), "query_invalid", `"end"`},
		"too many points":  {ranged(&queryv1.QueryRangeRequest{Query: "up", Start: at(0), End: at(12), StepMs: 1}), "query_invalid", "query.max_points"},
		"no selector":      {series(&queryv1.ListSeriesRequest{}), "query_invalid", "at least one match"},
		"bad selector":     {series(&queryv1.ListSeriesRequest{Match: []string{"sum(up)"}}), "query_invalid", "parse error"},
		"negative limit":   {series(&queryv1.ListSeriesRequest{Match: []string{"up"}, Limit: -1}), "query_invalid", "negative"},
		"no label": {func(ctx context.Context) error {
			_, err := r.service.ListLabelValues(ctx, &queryv1.ListLabelValuesRequest{})
			return err
		}, "query_invalid", "give its name"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.call(t.Context())
			if fault.KindOf(err) != fault.Invalid || fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v (%s)", err, fault.ReasonOf(err))
			}
		})
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := query.New(query.Config{MaxQueued: -1}, nil, nil, nil)
	for _, name := range []string{"timeout", "lookback", "max_samples", "max_series", "max_points", "max_concurrent", "max_queued", "max_expr_bytes", "max_regex_size", "max_replace_regex_size", "max_subquery_steps", "max_label_bytes", "subquery_step"} {
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}
