package alerting

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule/eval"
)

// Reader evaluates the expressions of rules over the platform's data and over what
// was recorded just now.
type Reader struct {
	e       *query.Evaluator
	data    query.Source // what the overlay lies over
	overlay *query.Overlay
}

// NewReader returns a reader of what the evaluator reads.
func NewReader(e *query.Evaluator) *Reader {
	o := query.NewOverlay(e.Source(), query.DefaultOverlayConfig())
	return &Reader{e: e.With(o), data: e.Source(), overlay: o}
}

// Instant implements [eval.Querier].
func (r *Reader) Instant(ctx context.Context, expr string, t time.Time) (query.Vector, error) {
	return r.e.Instant(ctx, expr, t)
}

// Range implements [eval.Querier].
func (r *Reader) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error) {
	return r.e.Range(ctx, expr, start, end, step)
}

// Only implements [Queries].
func (r *Reader) Only(series AgentSeries) eval.Querier { return r.e.With(series.of(r.overlay)) }

// Round implements [Queries]. What one rule has selected is there for the next.
func (r *Reader) Round(ctx context.Context, _, _ time.Time) (eval.Querier, func()) {
	shared := query.Share(ctx, r.data)
	return r.e.With(r.overlay.Over(shared)), func() { _ = shared.Close() } // a view that only read
}

// Recorded implements [Queries].
func (r *Reader) Recorded(samples []query.Sample) {
	r.overlay.Add(time.Now(), samples)
}
