package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// backtestSpec is what `esmon rules backtest` was asked for.
type backtestSpec struct {
	id, other, end string
	span, interval *time.Duration
	notifications  bool
	format         *format
}

func rulesBacktest(p *Program) *cobra.Command {
	var spec backtestSpec
	cmd := &cobra.Command{
		Use:   "backtest [FILE]",
		Short: "Say when a rule would have fired, from stored history",
		Long: "Runs a rule over stored history, at the very times and with the very states that\n" +
			"live evaluation has. FILE holds one rule or one group, in the form of a rule file;\n" +
			"--id names a rule that is evaluated already, --other a version to compare with.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("write `%s`", cmd.UseLine())
			}
			return nil
		},
	}
	c := connectionFlags(cmd, p)
	spec.format = formatFlag(cmd)
	cmd.Flags().StringVar(&spec.id, "id", "", "id of a rule that is evaluated, instead of FILE")
	cmd.Flags().StringVar(&spec.other, "other", "", "file with another version, to compare with")
	cmd.Flags().StringVar(&spec.end, "end", "", "last time: RFC 3339 or Unix seconds; now, if left out")
	cmd.Flags().BoolVar(&spec.notifications, "notifications", false, "count the notifications that there would have been")
	spec.span = durationFlag(cmd, "range", 24*time.Hour, "how far back: 6h, 7d")
	spec.interval = durationFlag(cmd, "interval", 0, "time between evaluations; that of the rule's group, if left out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := spec.request(args, time.Now())
		if err != nil {
			return err
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewRuleServiceClient(conn).BacktestRule(ctx, req)
			if err != nil {
				return err
			}
			return spec.print(p, res)
		})
	}
	return cmd
}

func (s *backtestSpec) request(args []string, now time.Time) (*alertv1.BacktestRuleRequest, error) {
	req := &alertv1.BacktestRuleRequest{RuleId: s.id, Notifications: s.notifications}
	if (len(args) == 0) == (s.id == "") {
		return nil, usage("name a file with a rule, or a rule by --id")
	}
	for _, f := range []struct {
		path string
		to   *string
	}{{first(args), &req.Rule}, {s.other, &req.Other}} {
		if f.path == "" {
			continue
		}
		content, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		*f.to = string(content)
	}
	end := now
	if s.end != "" {
		t, err := parseTime(s.end)
		if err != nil {
			return nil, err
		}
		end = t
	}
	if *s.span <= 0 || *s.interval < 0 {
		return nil, usage("--range must be above 0, and --interval not below")
	}
	req.Start, req.End = timestamppb.New(end.Add(-*s.span)), timestamppb.New(end)
	if *s.interval > 0 {
		req.Interval = durationpb.New(*s.interval)
	}
	return req, nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (s *backtestSpec) print(p *Program, res *alertv1.BacktestRuleResponse) error {
	for _, x := range res.GetProblems() {
		if _, err := fmt.Fprintln(p.Stdout, problemText(x)); err != nil {
			return err
		}
	}
	if len(res.GetProblems()) > 0 {
		return errFound
	}
	if *s.format != "table" {
		return s.format.print(p.Stdout, res, func() *table { return episodeTable(res.GetResult().GetEpisodes()) })
	}
	for _, x := range []struct {
		name string
		b    *alertv1.Backtest
	}{{"the rule", res.GetResult()}, {"the other version", res.GetOther()}} {
		if x.b == nil {
			continue
		}
		if err := printBacktest(p, x.name, x.b); err != nil {
			return err
		}
	}
	return episodeTable(res.GetResult().GetEpisodes()).text(p.Stdout)
}

func printBacktest(p *Program, name string, b *alertv1.Backtest) error {
	warn(p, b.GetWarnings())
	_, err := fmt.Fprintf(p.Stdout, "%s: %d episodes on %d hosts, %s firing, %d evaluations\n",
		name, b.GetTotalEpisodes(), len(b.GetHosts()), b.GetFiring().AsDuration().Round(time.Second), b.GetEvaluations())
	if err != nil {
		return err
	}
	names := make([]string, 0, len(b.GetNotifications()))
	for receiver := range b.GetNotifications() {
		names = append(names, receiver)
	}
	slices.Sort(names)
	for _, receiver := range names {
		if _, err := fmt.Fprintf(p.Stdout, "  %s: %d notifications\n", receiver, b.GetNotifications()[receiver]); err != nil {
			return err
		}
	}
	return nil
}

func episodeTable(list []*alertv1.Episode) *table {
	t := newTable("FIRED", "RESOLVED", "LASTED", "VALUE", "LABELS")
	for _, e := range list {
		lasted := ""
		if e.GetResolveTime() != nil {
			lasted = e.GetResolveTime().AsTime().Sub(e.GetFireTime().AsTime()).Round(time.Second).String()
		}
		t.row(stamp(e.GetFireTime()), stamp(e.GetResolveTime()), lasted, fmt.Sprint(e.GetFireValue()), tagText(e.GetLabels()))
	}
	return t
}
