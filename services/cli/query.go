package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
)

// querySpec is what `esmon query` was asked for.
type querySpec struct {
	expr      string
	at        string
	span      time.Duration
	step      time.Duration
	format    *format
	now       time.Time
	evaluated time.Time
}

func queryCommand(p *Program) *cobra.Command {
	spec := querySpec{}
	cmd := &cobra.Command{
		Use:   "query EXPR",
		Short: "Evaluate a PromQL expression",
		Long: "Evaluates a PromQL expression now, at --time, or over --range.\n\n" +
			"  esmon query 'system_cpu_load_average_1m'\n" +
			"  esmon query 'sum by (host_name) (rate(system_network_io_bytes_total[5m]))' --range 1h --step 1m -o csv",
		Args: oneArg("the expression"),
	}
	c := connectionFlags(cmd, p)
	spec.format = formatFlag(cmd)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; `%s --help` lists the flags; an expression that begins with - goes behind --", err, cmd.CommandPath())
	})
	cmd.Flags().StringVar(&spec.at, "time", "", "evaluate at this time, or end the range there: RFC 3339 or Unix seconds; now, if left out")
	span := durationFlag(cmd, "range", 0, "evaluate over this time: 1h, 7d")
	step := durationFlag(cmd, "step", 0, "time between the values of a range; a 250th of it, if left out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec.expr, spec.span, spec.step, spec.now = args[0], *span, *step, time.Now()
		if err := spec.complete(); err != nil {
			return err
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			return spec.run(ctx, p, queryv1.NewQueryServiceClient(conn))
		})
	}
	return cmd
}

// complete checks the flags and fills in what was left out.
func (q *querySpec) complete() error {
	if strings.TrimSpace(q.expr) == "" {
		return usage("the expression is empty; write one in PromQL, such as 'system_uptime_seconds'")
	}
	q.evaluated = q.now
	if q.at != "" {
		t, err := parseTime(q.at)
		if err != nil {
			return err
		}
		q.evaluated = t
	}
	switch {
	case q.span < 0 || q.step < 0:
		return usage("--range and --step must not be negative")
	case q.step > 0 && q.span == 0:
		return usage("--step goes with --range only")
	case q.span > 0 && q.step == 0:
		q.step = max((q.span / 250).Truncate(time.Second), time.Second)
	case q.step > 0 && q.step < time.Millisecond:
		return usage("--step: %s is too short; write 1ms or more", q.step)
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > -1e11 && f < 1e11 {
		return time.UnixMilli(int64(f * 1000)), nil
	}
	return time.Time{}, usage("--time: %q is no time; write it like 2026-01-31T08:00:00Z or as Unix seconds", text)
}

func (q *querySpec) run(ctx context.Context, p *Program, client queryv1.QueryServiceClient) error {
	if q.span > 0 {
		res, err := client.QueryRange(ctx, &queryv1.QueryRangeRequest{
			Query: q.expr, StepMs: q.step.Milliseconds(),
			Start: timestamppb.New(q.evaluated.Add(-q.span)), End: timestamppb.New(q.evaluated),
		})
		if err != nil {
			return err
		}
		warn(p, res.GetWarnings())
		return q.format.print(p.Stdout, res, func() *table { return q.tabulate(res.GetSeries()) })
	}
	res, err := client.Query(ctx, &queryv1.QueryRequest{Query: q.expr, Time: timestamppb.New(q.evaluated)})
	if err != nil {
		return err
	}
	warn(p, res.GetWarnings())
	return q.format.print(p.Stdout, res, func() *table {
		if res.GetResultType() == "string" {
			t := newTable("TEXT")
			t.row(res.GetText())
			return t
		}
		return q.tabulate(res.GetSeries())
	})
}

func warn(p *Program, warnings []string) {
	for _, w := range warnings {
		_, _ = fmt.Fprintf(p.Stderr, "esmon: warning: %s\n", w) // there is nowhere else to tell
	}
}

// tabulate makes one line a sample: for people with the series in one column, as
// CSV with a column a label.
func (q *querySpec) tabulate(series []*queryv1.Series) *table {
	if *q.format == "csv" {
		return wide(series)
	}
	t := newTable("SERIES", "TIME", "VALUE")
	for _, s := range series {
		for _, x := range s.GetSamples() {
			t.row(seriesText(s.GetLabels()), sampleTime(x), number(x.GetValue()))
		}
	}
	return t
}

func wide(series []*queryv1.Series) *table {
	seen := map[string]bool{}
	for _, s := range series {
		for name := range s.GetLabels() {
			seen[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	t := newTable(append([]string{"time", "value"}, names...)...)
	t.verbatim = true
	for _, s := range series {
		for _, x := range s.GetSamples() {
			row := []string{sampleTime(x), number(x.GetValue())}
			for _, name := range names {
				row = append(row, s.GetLabels()[name])
			}
			t.row(row...)
		}
	}
	return t
}

// seriesText writes a series as PromQL does: name{label="value"}.
func seriesText(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "__name__" {
			pairs = append(pairs, name+"="+strconv.Quote(labels[name]))
		}
	}
	return labels["__name__"] + "{" + strings.Join(pairs, ", ") + "}"
}

func sampleTime(s *queryv1.Sample) string {
	return time.UnixMilli(s.GetTimestampMs()).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
