package alerting

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule/eval"
)

// fakeLease is a lease that tests give and take.
type fakeLease struct{ held atomic.Bool }

func (*fakeLease) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (l *fakeLease) Held() bool { return l.held.Load() }

// lazyQueries take some time for each time that is long ago.
type lazyQueries struct {
	Queries

	takes time.Duration
}

type lazyQuerier struct {
	eval.Querier

	takes time.Duration
}

func (q lazyQueries) Only(series AgentSeries) eval.Querier {
	return lazyQuerier{q.Queries.Only(series), q.takes}
}

func (q lazyQueries) Round(ctx context.Context, from, to time.Time) (eval.Querier, func()) {
	one, end := q.Queries.Round(ctx, from, to)
	return lazyQuerier{one, q.takes}, end
}

func (q lazyQuerier) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	if end.Sub(start) > time.Minute {
		times := end.Sub(start).Seconds() / step.Seconds()
		limited, cancel := context.WithTimeout(ctx, time.Duration(times*float64(q.takes)))
		defer cancel()
		<-limited.Done()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return q.Querier.Range(ctx, expr, start, end, step)
}

// slowQueries never answer one expression.
type slowQueries struct {
	Queries

	expr string
}

type slowQuerier struct {
	eval.Querier

	expr string
}

func (q slowQueries) Round(ctx context.Context, from, to time.Time) (eval.Querier, func()) {
	one, end := q.Queries.Round(ctx, from, to)
	return slowQuerier{one, q.expr}, end
}

func (q slowQuerier) Instant(ctx context.Context, expr string, t time.Time) (query.Vector, error) {
	if expr == q.expr {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return q.Querier.Instant(ctx, expr, t)
}

func (q slowQuerier) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	if expr == q.expr {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return q.Querier.Range(ctx, expr, start, end, step)
}
