package query

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/fault"
)

// Query implements queryv1.QueryServiceServer.
func (s *Service) Query(ctx context.Context, req *queryv1.QueryRequest) (_ *queryv1.QueryResponse, err error) {
	defer func() { s.metrics.failed(err) }()
	at, err := s.timeOr(req.GetTime(), s.now())
	if err != nil {
		return nil, invalidParameter("time", err)
	}
	a, err := s.run(ctx, job{expr: req.GetQuery(), start: at, end: at})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	resp := &queryv1.QueryResponse{ResultType: string(a.value.Type()), Warnings: notes(a)}
	switch v := a.value.(type) {
	case promql.Vector:
		resp.Series = vectorSeries(v)
	case promql.Matrix:
		resp.Series = matrixSeries(v)
	case promql.Scalar:
		resp.Series = []*queryv1.Series{{Samples: []*queryv1.Sample{{TimestampMs: v.T, Value: v.V}}}}
	case promql.String:
		resp.Text = v.V
	default:
		return nil, fmt.Errorf("query result of type %T", v)
	}
	return resp, nil
}

// QueryRange implements queryv1.QueryServiceServer.
func (s *Service) QueryRange(ctx context.Context, req *queryv1.QueryRangeRequest) (_ *queryv1.QueryRangeResponse, err error) {
	defer func() { s.metrics.failed(err) }()
	if req.GetStart() == nil || req.GetEnd() == nil {
		return nil, badData("start and end are needed; give both")
	}
	j := job{expr: req.GetQuery(), ranged: true}
	if j.start, err = s.timeOr(req.GetStart(), time.Time{}); err != nil {
		return nil, invalidParameter("start", err)
	}
	if j.end, err = s.timeOr(req.GetEnd(), time.Time{}); err != nil {
		return nil, invalidParameter("end", err)
	}
	if j.step, err = milliseconds(req.GetStepMs()); err != nil {
		return nil, invalidParameter("step_ms", err)
	}
	a, err := s.run(ctx, j)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m, ok := a.value.(promql.Matrix)
	if !ok {
		return nil, fmt.Errorf("range query result of type %T", a.value)
	}
	return &queryv1.QueryRangeResponse{Series: matrixSeries(m), Warnings: notes(a)}, nil
}

// ListSeries implements queryv1.QueryServiceServer.
func (s *Service) ListSeries(ctx context.Context, req *queryv1.ListSeriesRequest) (_ *queryv1.ListSeriesResponse, err error) {
	defer func() { s.metrics.failed(err) }()
	if len(req.GetMatch()) == 0 {
		return nil, badData("no selector; give at least one match, such as esmon_load_1m{host_name=\"a\"}")
	}
	if req.GetLimit() < 0 {
		return nil, badData("limit %d is negative; 0 asks for the server's limit", req.GetLimit())
	}
	sc, err := s.scopeOf(req.GetMatch())
	if err != nil {
		return nil, err
	}
	if sc.start, err = s.timeOr(req.GetStart(), earliest); err != nil {
		return nil, invalidParameter("start", err)
	}
	if sc.end, err = s.timeOr(req.GetEnd(), s.now()); err != nil {
		return nil, invalidParameter("end", err)
	}
	sc.limit = int(req.GetLimit())
	found, truncated, err := s.series(ctx, sc)
	if err != nil {
		return nil, err
	}
	resp := &queryv1.ListSeriesResponse{Series: make([]*queryv1.Series, len(found))}
	for i, ls := range found {
		resp.Series[i] = &queryv1.Series{Labels: labelMap(ls)}
	}
	if truncated {
		resp.Warnings = []string{errTruncated.Error()}
	}
	return resp, nil
}

// ListLabelNames implements queryv1.QueryServiceServer.
func (s *Service) ListLabelNames(ctx context.Context, req *queryv1.ListLabelNamesRequest) (_ *queryv1.ListLabelNamesResponse, err error) {
	defer func() { s.metrics.failed(err) }()
	sc, err := s.scopeOf(req.GetMatch())
	if err != nil {
		return nil, err
	}
	names, _, err := s.labelNames(ctx, sc)
	return &queryv1.ListLabelNamesResponse{Names: names}, err
}

// ListLabelValues implements queryv1.QueryServiceServer.
func (s *Service) ListLabelValues(ctx context.Context, req *queryv1.ListLabelValuesRequest) (_ *queryv1.ListLabelValuesResponse, err error) {
	defer func() { s.metrics.failed(err) }()
	if req.GetName() == "" {
		return nil, badData("no label; give its name")
	}
	sc, err := s.scopeOf(req.GetMatch())
	if err != nil {
		return nil, err
	}
	values, _, err := s.labelValues(ctx, req.GetName(), sc)
	return &queryv1.ListLabelValuesResponse{Values: values}, err
}

// ListMetrics implements queryv1.QueryServiceServer.
func (s *Service) ListMetrics(_ context.Context, req *queryv1.ListMetricsRequest) (*queryv1.ListMetricsResponse, error) {
	families := s.families(func(name string) bool { return strings.Contains(name, req.GetNameContains()) })
	resp := &queryv1.ListMetricsResponse{Metrics: make([]*queryv1.Metric, len(families))}
	for i, f := range families {
		resp.Metrics[i] = &queryv1.Metric{Name: f.name, Type: f.typ, Unit: f.unit, Help: f.help}
	}
	return resp, nil
}

// scopeOf returns the scope of selectors over all time.
func (s *Service) scopeOf(match []string) (scope, error) {
	sets, err := s.parseSelectors(match)
	if err != nil {
		return scope{}, invalidSelectors(err)
	}
	return scope{sets: sets, start: earliest, end: latest, text: strings.Join(match, " ")}, nil
}

// asInvalid makes an error of the parser the caller's fault.
func asInvalid(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return err
	}
	return badData("%s", err)
}

// invalidSelectors is the same where the selectors are called match.
func invalidSelectors(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return err
	}
	return invalidParameter("match", err)
}

func (*Service) timeOr(t *timestamppb.Timestamp, otherwise time.Time) (time.Time, error) {
	if t == nil {
		return otherwise, nil
	}
	if err := t.CheckValid(); err != nil {
		return time.Time{}, errTimeRange
	}
	return t.AsTime(), nil
}

func milliseconds(n int64) (time.Duration, error) {
	if n <= 0 {
		return 0, errStep
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond, nil
}

// notes returns all there is to know about an answer: warnings before infos.
func notes(a *answer) []string { return append(a.warnings, a.infos...) }

func vectorSeries(v promql.Vector) []*queryv1.Series {
	out := make([]*queryv1.Series, len(v))
	for i := range v {
		out[i] = &queryv1.Series{
			Labels:  labelMap(v[i].Metric),
			Samples: []*queryv1.Sample{{TimestampMs: v[i].T, Value: v[i].F}},
		}
	}
	return out
}

func matrixSeries(m promql.Matrix) []*queryv1.Series {
	out := make([]*queryv1.Series, len(m))
	for i := range m {
		samples := make([]queryv1.Sample, len(m[i].Floats)) // one allocation a series
		refs := make([]*queryv1.Sample, len(samples))
		for k, p := range m[i].Floats {
			samples[k].TimestampMs, samples[k].Value = p.T, p.F
			refs[k] = &samples[k]
		}
		out[i] = &queryv1.Series{Labels: labelMap(m[i].Metric), Samples: refs}
	}
	return out
}

func labelMap(ls labels.Labels) map[string]string { return ls.Map() }
