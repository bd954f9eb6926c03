package alerting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule/eval"
)

// failure is a rule that fails. Its alerts are held.
type failure struct {
	stand   int64 // evaluated up to there
	since   int64
	tries   int   // that failed, since it worked last
	retry   int64 // not before that time of evaluation
	message string
	portion portion
	// pending is what came of the times after base that were made up for. It is told
	// once the rule is level with the others: nobody is paged for what is over.
	pending changes
	base    int64
}

// told returns up to where the rule is evaluated and that is told. Who goes on from
// what is stored goes on from there.
func (f *failure) told() int64 {
	if f.pending.empty() {
		return f.stand
	}
	return f.base
}

const (
	// maxTimeouts is after how many rules in a row that took too long the rest is not
	// tried: it is not the rules.
	maxTimeouts = 3
	// maxBackoff is two to the power of how many intervals a rule that takes too long
	// is left alone at most.
	maxBackoff = 4
)

var errNoAnswer = errors.New("several rules before it took too long: the database does not answer in time")

// rule evaluates a rule at some times and tells whether that worked.
func (j *job) rule(ctx context.Context, i int, times []int64, env eval.Env) bool {
	if j.timeouts >= maxTimeouts {
		j.fail(i, times[0], &eval.RuleError{Rule: j.g.rules[i].Rule, T: times[0], Err: errNoAnswer}, true)
		return false
	}
	// Only the queries are limited: an evaluation that is broken off would leave the
	// alerts in no known state.
	timed := &timedQuerier{q: env.Querier, limit: j.a.cfg.RuleTimeout}
	env.Querier = timed
	began := time.Now()
	r, err := j.g.eval.EvalRule(ctx, i, times, env)
	if err != nil {
		return false // the job ends, and the group with it
	}
	j.take(i, r)
	j.timed(timed.over)
	if len(r.Errors) > 0 {
		j.noteHealth(i, times, time.Since(began), r.Errors[0].Err)
		j.fail(i, r.Errors[0].T, &r.Errors[0], timed.over)
	} else {
		j.noteHealth(i, times, time.Since(began), nil)
	}
	if f := j.g.failing[j.g.rules[i].Rule.ID]; f != nil {
		f.portion.took(timed.spent, timed.limit)
		if len(r.Errors) == 0 {
			f.stand, f.tries = times[len(times)-1], 0
		}
	}
	return len(r.Errors) == 0
}

// take adds what came of a rule to what is told, or to what waits until it is level.
func (j *job) take(i int, r eval.Result) {
	if f := j.g.failing[j.g.rules[i].Rule.ID]; f != nil {
		f.base = f.told()
		f.pending.addResult(r)
		return
	}
	j.result.addResult(r)
}

// timed counts how many rules in a row took too long.
func (j *job) timed(over bool) {
	if over {
		j.timeouts++
	} else {
		j.timeouts = 0
	}
}

// fail notes that a rule failed at t. What fails of itself at that time is passed
// over: it would fail again. What failed because of the platform is made up for.
func (j *job) fail(i int, t int64, err *eval.RuleError, slow bool) {
	id := j.g.rules[i].Rule.ID
	f := j.g.failing[id]
	if f == nil {
		f = &failure{since: t}
		j.g.failing[id] = f
	}
	f.stand = t - j.g.interval
	f.message = err.Err.Error()
	f.tries++
	f.retry = j.upto + j.g.interval
	if slow {
		f.retry = j.upto + j.g.interval<<min(f.tries, maxBackoff)
	}
	if ofItself(err.Err) {
		f.stand, f.retry, f.portion = t, j.upto, 1
	}
}

// ofItself tells whether evaluating the same again would fail again.
func ofItself(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Exhausted, fault.NotFound, fault.Conflict:
		return true
	case fault.Internal, fault.Denied, fault.Unauthenticated, fault.Unavailable:
	}
	return false
}

// failed makes up for the times at which rules failed.
func (j *job) failed(ctx context.Context) {
	until := time.Now().Add(2 * j.a.cfg.RuleTimeout)
	for i := range j.g.rules {
		f := j.g.failing[j.g.rules[i].Rule.ID]
		if f == nil || f.stand < j.g.ruleStand(i) && f.retry > j.upto {
			continue
		}
		for f.stand < j.g.ruleStand(i) && time.Now().Before(until) {
			if was := f.stand; !j.makeUp(ctx, i, f) && f.stand == was {
				break
			}
		}
		if ctx.Err() != nil {
			return
		}
		if f.stand >= j.g.ruleStand(i) && f.tries == 0 {
			j.result.add(&f.pending)
			delete(j.g.failing, j.g.rules[i].Rule.ID)
		}
	}
}

// makeUp evaluates a rule that failed at some of the times that are missing.
func (j *job) makeUp(ctx context.Context, i int, f *failure) bool {
	times := j.g.times(f.stand, min(j.g.ruleStand(i), f.stand+f.portion.times()*j.g.interval))
	if j.g.scopes[i] == ofPlatform && times[0] < j.fresh {
		f.stand = times[0]
		return true
	}
	q, end := j.share(ctx, times)
	defer end()
	return j.rule(ctx, i, times, j.env(i, q))
}

// ruleStand returns up to where a rule stands that never failed.
func (g *group) ruleStand(i int) int64 {
	if g.scopes[i] == overMany {
		return g.standOf(many)
	}
	return g.done
}

// timedQuerier limits how long all queries of a rule may take together.
type timedQuerier struct {
	q     eval.Querier
	limit time.Duration
	spent time.Duration
	over  bool // the limit was reached
}

// Instant implements [eval.Querier].
func (t *timedQuerier) Instant(ctx context.Context, expr string, at time.Time) (v query.Vector, err error) {
	err = t.do(ctx, func(ctx context.Context) error {
		v, err = t.q.Instant(ctx, expr, at)
		return err
	})
	return v, err
}

// Range implements [eval.Querier].
func (t *timedQuerier) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (m query.Matrix, err error) {
	err = t.do(ctx, func(ctx context.Context) error {
		m, err = t.q.Range(ctx, expr, start, end, step)
		return err
	})
	return m, err
}

func (t *timedQuerier) do(ctx context.Context, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, t.limit-t.spent)
	defer cancel()
	began := time.Now()
	err := f(limited)
	t.spent += time.Since(began)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		t.over = true
		return fmt.Errorf("it took longer than %s, set by alerting.rule_timeout: %w", t.limit, context.DeadlineExceeded)
	}
	return err
}
