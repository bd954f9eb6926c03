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
