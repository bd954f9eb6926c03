package eval

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/rule"
)

// evalAlerting moves the alerts of a rule on to each of the times. It returns the
// error of the context or a *RuleError.
func (g *Group) evalAlerting(ctx context.Context, m *machine, times []int64, env Env, out *outcome) error {
	m.forgetElements()
	expr := &grid{querier: env.Querier, elements: &m.elements, expr: m.rule.Expr, interval: m.interval, offset: m.offset, apart: m.apart}
	clearing, presence := *expr, *expr
	clearing.expr, presence.expr = m.rule.Clear, m.presence
	w := newWatch(&presence, times, m.rule.NoData == rule.NoDataAlert)
	var buf []obs
	for i, t := range times {
		if err := ctx.Err(); err != nil {
			return err //nolint:wrapcheck // the caller knows it
		}
		f := &frame{t: t, off: !m.rule.Schedule.Active(time.UnixMilli(t))}
		f.present = func() (map[string]float64, error) { return w.values(ctx, times[i:]) }
		f.clear = func() (map[string]float64, error) { return clearing.values(ctx, times[i:]) }
		var err error
		if !f.off {
			if buf, err = expr.at(ctx, times[i:], buf); err == nil {
				f.expr = buf
				f.vanished, err = w.vanished(ctx, t)
			}
		}
		if err == nil {
			err = m.step(ctx, f, env, out)
		}
		if err == nil {
			continue
		}
		if ctx.Err() == nil {
			m.fail(t, err, env, out)
		}
		return &RuleError{m.rule, t, err}
	}
	return nil
}

// values returns the values at a time by match.
func (g *grid) values(ctx context.Context, times []int64) (map[string]float64, error) {
	at, err := g.at(ctx, times, nil)
	return byMatch(at), err
}

func byMatch(at []obs) map[string]float64 {
	values := make(map[string]float64, len(at))
	for _, o := range at {
		values[o.e.match] = o.v
	}
	return values
}

// watch sees what of an expression goes away from one time to the next.
type watch struct {
	grid  *grid
	on    bool
	times []int64 // those that are evaluated, and the one before each
	next  int

	last, now []obs
	at        int64 // what now is of
}

func newWatch(g *grid, times []int64, on bool) *watch {
	w := &watch{grid: g, on: on}
	if !on {
		return w
	}
	for i, t := range times {
		if i == 0 || times[i-1] != t-g.interval {
			w.times = append(w.times, t-g.interval)
		}
		w.times = append(w.times, t)
	}
	return w
}

// vanished returns what was there one interval before a time and is not there now.
func (w *watch) vanished(ctx context.Context, t int64) (gone []obs, err error) {
	if !w.on {
		return nil, nil
	}
	for w.next < len(w.times) && w.times[w.next] <= t {
		w.last, w.now = w.now, w.last
		if w.now, err = w.grid.at(ctx, w.times[w.next:], w.now); err != nil {
			return nil, err
		}
		w.at = w.times[w.next]
		w.next++
	}
	mark := w.grid.elements.mark()
	for _, o := range w.now {
		o.e.seen = mark
	}
	for _, o := range w.last {
		if o.e.seen != mark {
			gone = append(gone, o)
		}
	}
	return gone, nil
}

// values returns what there is at a time by match, nil if it cannot be known.
func (w *watch) values(ctx context.Context, times []int64) (map[string]float64, error) {
	switch {
	case w.grid.expr == "":
		return nil, nil
	case w.on && w.at == times[0]:
		return byMatch(w.now), nil
	}
	return w.grid.values(ctx, times)
}
