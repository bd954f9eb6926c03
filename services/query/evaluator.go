package query

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

// Instant evaluates an expression at a time, in its turn among all queries. Errors
// are faults.
func (s *Service) Instant(ctx context.Context, expr string, t time.Time) (Vector, error) {
	a, err := s.run(ctx, job{expr: expr, start: t, end: t})
	s.metrics.failed(err)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return vectorFrom(a.value)
}

// Range evaluates an expression at each step from start to end, in its turn among
// all queries. Errors are faults.
func (s *Service) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (Matrix, error) {
	a, err := s.run(ctx, job{expr: expr, start: start, end: end, step: step, ranged: true})
	s.metrics.failed(err)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return matrixFrom(a.value)
}

// CheckExpr returns nil if the expression can be evaluated within the limits.
func (s *Service) CheckExpr(expr string) error {
	now := s.now()
	return s.checkJob(&job{expr: expr, start: now, end: now})
}

// CheckComparison returns nil if the outermost operation of the expression is a
// comparison that leaves out what it does not hold for.
func (*Service) CheckComparison(expr string) error {
	_, err := Presence(expr)
	return err
}

// Evaluator evaluates the expressions of rules. It does not wait for its turn among
// the queries of people, so that dashboards never delay an alert; its limits are
// those of queries. It is safe for concurrent use.
type Evaluator struct {
	service *Service
	source  Source
	checked *checkedExprs
}

// NewEvaluator returns an evaluator that reads the source.
func NewEvaluator(cfg Config, source Source, log *slog.Logger) (*Evaluator, error) {
	s, err := New(cfg, source, log, nil)
	if err != nil {
		return nil, err
	}
	return &Evaluator{service: s, source: source, checked: &checkedExprs{service: s, known: map[string]checkedExpr{}}}, nil
}

// With returns an evaluator that reads another source and shares all else.
func (e *Evaluator) With(source Source) *Evaluator {
	other := *e
	other.source = source
	return &other
}

// Source returns what the evaluator reads.
func (e *Evaluator) Source() Source { return e.source }

// CheckExpr returns nil if the expression can be evaluated within the limits.
func (e *Evaluator) CheckExpr(expr string) error { return e.service.CheckExpr(expr) }

// CheckComparison is that of [Service].
func (e *Evaluator) CheckComparison(expr string) error { return e.service.CheckComparison(expr) }

// Instant evaluates an expression at a time. Errors are faults.
func (e *Evaluator) Instant(ctx context.Context, expr string, t time.Time) (Vector, error) {
	if err := checkTime(t); err != nil {
		return nil, invalidParameter("time", err)
	}
	if err := e.checked.get(expr).err; err != nil {
		return nil, err
	}
	a, err := e.evaluate(ctx, job{expr: expr, start: t, end: t, steps: 1})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return vectorFrom(a.value)
}

// Range evaluates an expression at each step from start to end. Errors are faults.
func (e *Evaluator) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (Matrix, error) {
	j := job{expr: expr, start: start, end: end, step: step, ranged: true}
	if err := e.service.checkJob(&j); err != nil {
		return nil, err
	}
	a, err := e.evaluate(ctx, j)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return matrixFrom(a.value)
}

func (e *Evaluator) evaluate(ctx context.Context, j job) (*answer, error) {
	a := &answer{}
	err := e.service.guard(ctx, j.kind(), j.expr, func() error {
		ctx, cancel := context.WithTimeout(ctx, e.service.cfg.Timeout)
		a.closers = append(a.closers, cancel)
		q := &queryable{ctx: ctx, source: e.source, budget: newBudget(&e.service.cfg, j.steps)}
		if !j.ranged {
			q.latest = e.service.cfg.Lookback
		}
		limit := fmt.Sprintf("%s, set by query.timeout", e.service.cfg.Timeout)
		if err := e.execute(ctx, q, j, a); err != nil {
			return e.service.classify(err, limit)
		}
		return nil
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (e *Evaluator) execute(ctx context.Context, q *queryable, j job, a *answer) error {
	if p := e.checked.get(j.expr).plan; p != nil {
		return e.service.executePlan(ctx, q, j, p, a)
	}
	return e.service.execute(ctx, q, j, a)
}

// maxChecked is how many expressions are remembered as checked. There are about as
// many as there are rules.
const maxChecked = 50_000

// checkedExprs remembers what is known of expressions, because finding it out costs as
// much as evaluating a small one.
type checkedExprs struct {
	service *Service
	mu      sync.Mutex // guards known
	known   map[string]checkedExpr
}

// checkedExpr is an expression that is fine, or why it is not.
type checkedExpr struct {
	err  error
	plan *plan // nil: it is for the engine
}

func (c *checkedExprs) get(text string) checkedExpr {
	c.mu.Lock()
	one, known := c.known[text]
	c.mu.Unlock()
	if known {
		return one
	}
	if one = c.check(text); one.err != nil && fault.KindOf(one.err) != fault.Invalid {
		return one
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxChecked {
		clear(c.known)
	}
	c.known[text] = one
	return one
}

func (c *checkedExprs) check(text string) checkedExpr {
	if err := c.service.CheckExpr(text); err != nil {
		return checkedExpr{err: err}
	}
	return checkedExpr{plan: c.service.planOf(text)}
}
