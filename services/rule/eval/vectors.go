package eval

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/query"
)

// How many times are evaluated by one query at first, and at most. As queries touch
// more they are made for fewer times.
const (
	firstSpan = 128
	maxSpan   = 2048
	minSpan   = 8
	spanRoom  = 2_000_000 // values
)

// grid is an expression at ascending times. It gets the values of many times with one
// query, and those of times that lie apart one by one.
type grid struct {
	querier  Querier
	elements *elements
	expr     string
	interval int64
	offset   int64
	apart    bool // queries for several times at once are not possible
	span     int

	from, to int64    // what columns cover
	columns  []column // of the times that were got last
}

// column is an element at the times that were got last.
type column struct {
	e      *element
	points []query.Point // those that were not asked for yet
}

// at returns what the expression has at a time: the first of the times, which are
// those that are asked for next. buf is used for the result.
func (g *grid) at(ctx context.Context, times []int64, buf []obs) ([]obs, error) {
	t := times[0]
	if t < g.from || t > g.to || g.columns == nil {
		alone, err := g.load(ctx, times, buf)
		if err != nil || alone != nil {
			return alone, err
		}
	}
	out := buf[:0]
	at := t - g.offset
	for i := range g.columns {
		c := &g.columns[i]
		for len(c.points) > 0 && c.points[0].T < at {
			c.points = c.points[1:]
		}
		if len(c.points) > 0 && c.points[0].T == at {
			out = append(out, obs{e: c.e, v: c.points[0].V})
		}
	}
	return out, nil
}

// load gets the next times. If that is only one, its values are returned.
func (g *grid) load(ctx context.Context, times []int64, buf []obs) ([]obs, error) {
	if g.span == 0 {
		g.span = firstSpan
	}
	for {
		n := g.together(times)
		if n == 1 {
			return g.alone(ctx, times[0], buf)
		}
		m, err := g.querier.Range(ctx, g.expr, g.clock(times[0]), g.clock(times[n-1]), time.Duration(g.interval)*time.Millisecond)
		if err == nil {
			g.keep(m, times[0], times[n-1], n)
			return nil, nil
		}
		if ctx.Err() != nil || fault.KindOf(err) != fault.Invalid {
			return nil, err //nolint:wrapcheck // it is the querier's and says what failed
		}
		// It costs too much, or it fails at one of the times: which one is found by asking
		// for fewer.
		if g.span = n / 2; g.span < minSpan {
			g.span, g.apart = minSpan, true
		}
	}
}

// together returns how many of the times one query is for.
func (g *grid) together(times []int64) int {
	n := 1
	for !g.apart && n < min(len(times), g.span) && times[n]-times[n-1] == g.interval {
		n++
	}
	return n
}

func (g *grid) clock(t int64) time.Time { return time.UnixMilli(t - g.offset).UTC() }

func (g *grid) alone(ctx context.Context, t int64, buf []obs) ([]obs, error) {
	v, err := g.querier.Instant(ctx, g.expr, g.clock(t))
	if err != nil {
		return nil, err //nolint:wrapcheck // it is the querier's and says what failed
	}
	out := buf[:0]
	if out == nil {
		out = []obs{}
	}
	for _, s := range v {
		out = append(out, obs{g.elements.of(s.Labels), s.V, s.H})
	}
	return out, nil
}

func (g *grid) keep(m query.Matrix, from, to int64, n int) {
	g.from, g.to = from, to
	g.columns = make([]column, len(m))
	values := 0
	for i, line := range m {
		g.columns[i] = column{g.elements.of(line.Labels), line.Points}
		values += len(line.Points)
	}
	if values > 0 {
		g.span = min(max(int(int64(spanRoom)*int64(n)/int64(values)), minSpan), maxSpan)
	} else {
		g.span = min(2*g.span, maxSpan)
	}
}
