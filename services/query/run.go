package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/esolutions/esmon/services/fault"
)

// job is one expression to evaluate.
type job struct {
	expr       string
	start, end time.Time
	ranged     bool // at every step from start to end; else at start only
	step       time.Duration
	lookback   time.Duration // 0 for the configured one
	timeout    time.Duration // of the request; 0 for none of its own
	steps      int64         // of the job or its longest subquery; set by checkJob
}

func (j *job) kind() string {
	if j.ranged {
		return "range"
	}
	return "instant"
}

// answer is what became of a job. Its value is memory of the engine, valid until
// Close; the job keeps its turn until then.
type answer struct {
	value           parser.Value
	warnings, infos []string
	stats           *stats.Statistics
	closers         []func()
}

// Close gives the memory and the turn back.
func (a *answer) Close() { a.closeTo(0) }

// closeTo gives back what was taken since there were so many closers.
func (a *answer) closeTo(n int) {
	for _, f := range slices.Backward(a.closers[n:]) {
		f()
	}
	a.closers = a.closers[:n]
}

// run evaluates a job. Errors are faults.
func (s *Service) run(ctx context.Context, j job) (*answer, error) {
	a := &answer{}
	err := s.guard(ctx, j.kind(), j.expr, func() error {
		if err := s.checkJob(&j); err != nil {
			return err
		}
		return s.inTurn(ctx, a, j.timeout, func(ctx context.Context) error { return s.evaluate(ctx, j, a) })
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// guard calls do, counts it, and turns a panic into an error: one bad query must
// not end the process.
func (s *Service) guard(ctx context.Context, kind, text string, do func() error) (err error) {
	defer func(began time.Time) {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "query panicked", "query", text, "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, reasonInternal, "internal error")
		}
		s.metrics.done(kind, began)
	}(time.Now())
	return do()
}

// inTurn calls do once it is the request's turn, under its time limit. The answer
// keeps the turn. Errors are faults.
func (s *Service) inTurn(ctx context.Context, a *answer, timeout time.Duration, do func(context.Context) error) error {
	ctx, limit := s.withDeadline(ctx, a, timeout)
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return s.classify(err, limit)
	}
	a.closers = append(a.closers, leave)
	if err := do(ctx); err != nil {
		return s.classify(err, limit)
	}
	return nil
}

// withDeadline bounds the context and says in words by what.
func (s *Service) withDeadline(ctx context.Context, a *answer, own time.Duration) (context.Context, string) {
	limit, words := s.cfg.Timeout, fmt.Sprintf("%s, set by query.timeout; ask for less time or fewer series", s.cfg.Timeout)
	if own > 0 && own < limit {
		limit, words = own, fmt.Sprintf("%s, set by the request's parameter timeout", own)
	}
	if at, ok := ctx.Deadline(); ok && time.Until(at) < limit {
		words = "the caller's own deadline"
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	a.closers = append(a.closers, cancel)
	return ctx, words
}

func (s *Service) evaluate(ctx context.Context, j job, a *answer) error {
	return s.execute(ctx, s.queryable(ctx, j.steps), j, a)
}

// execute evaluates a checked job over what is given.
func (s *Service) execute(ctx context.Context, q storage.Queryable, j job, a *answer) error {
	query, err := s.build(ctx, q, j)
	if err != nil {
		return invalidParameter("query", err)
	}
	a.closers = append(a.closers, query.Close)
	result := query.Exec(ctx)
	s.metrics.samples.Add(float64(query.Stats().Samples.SamplesRead))
	if result.Err != nil {
		return result.Err
	}
	a.value, a.stats = result.Value, query.Stats()
	a.warnings, a.infos = annotationTexts(result.Warnings, j.expr)
	return nil
}

// queryable returns the source for one request of so many steps, with a budget of
// its own.
func (s *Service) queryable(ctx context.Context, steps int64) *queryable {
	return &queryable{ctx: ctx, source: s.source, budget: newBudget(&s.cfg, steps)}
}

func (s *Service) build(ctx context.Context, q storage.Queryable, j job) (promql.Query, error) {
	opts := promql.NewPrometheusQueryOpts(false, j.lookback, nil)
	if j.ranged {
		return s.engine.NewRangeQuery(ctx, q, opts, j.expr, j.start, j.end, j.step)
	}
	return s.engine.NewInstantQuery(ctx, q, opts, j.expr, j.start)
}

var (
	errEndFirst  = errors.New("end timestamp must not be before start time")
	errStep      = errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer")
	errShortStep = errors.New("query resolution step widths below one millisecond are not accepted")
	errTimeRange = errors.New("the time is out of range; give one between the years 1678 and 2262")
)

// checkJob refuses what can be refused before anything is spent on it.
func (s *Service) checkJob(j *job) error {
	check := s.checkInstant
	if j.ranged {
		check = s.checkRange
	}
	if err := check(j); err != nil {
		return err
	}
	expr, err := s.parse(j.expr)
	if err != nil {
		return err
	}
	return s.checkCost(expr, j)
}

func (*Service) checkInstant(j *job) error {
	if err := checkTime(j.start); err != nil {
		return invalidParameter("time", err)
	}
	return nil
}

func (s *Service) checkRange(j *job) error {
	if err := checkTime(j.start); err != nil {
		return invalidParameter("start", err)
	}
	if err := checkTime(j.end); err != nil {
		return invalidParameter("end", err)
	}
	switch {
	case j.end.Before(j.start):
		return invalidParameter("end", errEndFirst)
	case j.step <= 0:
		return invalidParameter("step", errStep)
	case j.step < time.Millisecond:
		return invalidParameter("step", errShortStep)
	case int64(j.end.Sub(j.start)/j.step) > int64(s.cfg.MaxPoints):
		return badData("exceeded maximum resolution of %d points per timeseries, set by query.max_points. Try decreasing the query resolution (?step=XX)", s.cfg.MaxPoints)
	}
	return nil
}

// checkTime refuses times that the engine cannot hold in nanoseconds.
func checkTime(t time.Time) error {
	if sec := t.Unix(); sec <= math.MinInt64/int64(time.Second) || sec >= math.MaxInt64/int64(time.Second) {
		return errTimeRange
	}
	return nil
}

// Warnings and infos that an answer carries at most, each.
const maxAnnotations = 10

// annotationTexts returns the texts sorted, so that equal queries give equal answers.
func annotationTexts(a annotations.Annotations, expr string) (warnings, infos []string) {
	warnings, infos = a.AsStrings(expr, 0, 0)
	return capped(warnings, "warning"), capped(infos, "info")
}

func capped(texts []string, what string) []string {
	slices.Sort(texts)
	if more := len(texts) - maxAnnotations; more > 0 {
		return append(texts[:maxAnnotations], fmt.Sprintf("%d more %s annotations omitted", more, what))
	}
	return texts
}
