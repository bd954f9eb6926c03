package query_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/query"
)

// question is an expression with the times to evaluate it at.
type question struct {
	expr       string
	start, end int64
	step       int64 // 0 for an instant query at start
}

func (q question) String() string {
	if q.step == 0 {
		return fmt.Sprintf("%s at %d", q.expr, q.start)
	}
	return fmt.Sprintf("%s from %d to %d step %d", q.expr, q.start, q.end, q.step)
}

// blockLength is the time that the chunks of one table are of.
const blockLength = 2 * 3_600_000

// question makes up a question about the data.
func (g *generator) question() question {
	q := question{expr: g.expr(1 + g.IntN(3))}
	q.start = g.start - 60_000 + g.Int64N(g.end-g.start+300_000)
	if g.IntN(4) == 0 { // exactly at a sample's place in the grid
		q.start -= q.start % 10_000
	}
	if g.IntN(6) == 0 { // so that what is looked at begins or ends at the border of a block
		q.start += blockLength - q.start%blockLength + pick(g.Rand, 0, g.Int64N(60_000), g.Int64N(600_000))
	}
	if g.IntN(2) == 0 {
		q.step = pick(g.Rand, int64(15_000), 60_000, 10_000, 300_000, 7_001, 1)
		q.end = q.start + q.step*int64(1+g.IntN(60)) + g.Int64N(q.step)
	}
	return q
}

// asker answers questions in a form that compares to the bit.
type asker func(ctx context.Context, q question) string

// serviceAsker asks the service, as its own API shows answers.
func serviceAsker(s *query.Service) asker {
	return func(ctx context.Context, q question) string {
		if q.step == 0 {
			resp, err := s.Query(ctx, &queryv1.QueryRequest{Query: q.expr, Time: timestamppb.New(time.UnixMilli(q.start))})
			if err != nil {
				return "error: " + err.Error()
			}
			return inOrder(q, render(resp.GetSeries(), resp.GetWarnings()))
		}
		resp, err := s.QueryRange(ctx, &queryv1.QueryRangeRequest{
			Query: q.expr, Start: timestamppb.New(time.UnixMilli(q.start)), End: timestamppb.New(time.UnixMilli(q.end)), StepMs: q.step,
		})
		if err != nil {
			return "error: " + err.Error()
		}
		return render(resp.GetSeries(), resp.GetWarnings())
	}
}

func render(series []*queryv1.Series, notes []string) string {
	var b strings.Builder
	for _, s := range series {
		fmt.Fprint(&b, s.GetLabels()) // sorted by key
		for _, p := range s.GetSamples() {
			renderPoint(&b, p.GetTimestampMs(), p.GetValue())
		}
		b.WriteByte('\n')
	}
	return b.String() + strings.Join(notes, "\n")
}

func renderPoint(b *strings.Builder, t int64, v float64) { fmt.Fprintf(b, " %d:%x", t, bitsOf(v)) }

// inOrder sorts the lines of an instant vector whose order means nothing.
func inOrder(q question, answer string) string {
	for _, f := range []string{"sort", "topk", "bottomk"} {
		if strings.HasPrefix(q.expr, f) {
			return answer
		}
	}
	if q.step > 0 {
		return answer
	}
	lines := strings.SplitAfter(answer, "\n")
	slices.Sort(lines[:len(lines)-1]) // what follows the last are the warnings
	return strings.Join(lines, "")
}

// plainAsker asks the same engine over the plain store.
func plainAsker(store *plainStore) asker {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 20_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
		Parser:                   parser.NewParser(parser.Options{}),
	})
	return func(ctx context.Context, q question) string {
		start, end := time.UnixMilli(q.start), time.UnixMilli(q.end)
		var (
			evaluated promql.Query
			err       error
		)
		if q.step == 0 {
			evaluated, err = engine.NewInstantQuery(ctx, store, nil, q.expr, start)
		} else {
			evaluated, err = engine.NewRangeQuery(ctx, store, nil, q.expr, start, end, time.Duration(q.step)*time.Millisecond)
		}
		if err != nil {
			return fmt.Sprintf("error: invalid parameter %q: %s", "query", err)
		}
		defer evaluated.Close()
		result := evaluated.Exec(ctx)
		if result.Err != nil {
			return "error: " + result.Err.Error()
		}
		return inOrder(q, renderResult(result, q.expr))
	}
}

func renderResult(result *promql.Result, expr string) string {
	var b strings.Builder
	switch v := result.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			fmt.Fprint(&b, s.Metric.Map())
			renderPoint(&b, s.T, s.F)
			b.WriteByte('\n')
		}
	case promql.Matrix:
		for _, s := range v {
			fmt.Fprint(&b, s.Metric.Map())
			for _, p := range s.Floats {
				renderPoint(&b, p.T, p.F)
			}
			b.WriteByte('\n')
		}
	case promql.Scalar:
		fmt.Fprint(&b, map[string]string{})
		renderPoint(&b, v.T, v.V)
		b.WriteByte('\n')
	}
	warnings, infos := result.Warnings.AsStrings(expr, 0, 0)
	slices.Sort(warnings)
	slices.Sort(infos)
	return b.String() + strings.Join(append(warnings, infos...), "\n")
}
