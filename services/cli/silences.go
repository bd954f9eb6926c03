package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

func silencesCommand(p *Program) *cobra.Command {
	cmd := silencesList(p)
	cmd.Use, cmd.Short = "silences", "Times in which alerts are not told"
	cmd.AddCommand(silencesList(p), silencesCreate(p), silencesExpire(p))
	return cmd
}

func silencesList(p *Program) *cobra.Command {
	req := &alertv1.ListSilencesRequest{PageSize: 1000}
	cmd := &cobra.Command{Use: "list", Short: "List the silences", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().BoolVar(&req.Expired, "expired", false, "those that are over, too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &alertv1.ListSilencesResponse{}
			for {
				page, err := alertv1.NewSilenceServiceClient(conn).ListSilences(ctx, req)
				if err != nil {
					return err
				}
				all.Silences = append(all.Silences, page.GetSilences()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return silenceTable(all.GetSilences()...) })
		})
	}
	return cmd
}

func silenceTable(list ...*alertv1.Silence) *table {
	t := newTable("ID", "STATE", "MATCHERS", "FROM", "UNTIL", "ALERTS", "AUTHOR", "COMMENT")
	for _, s := range list {
		state := strings.ToLower(strings.TrimPrefix(s.GetState().String(), "SILENCE_STATE_"))
		t.row(s.GetId(), state, strings.Join(s.GetMatchers(), " "), stamp(s.GetStartTime()), stamp(s.GetEndTime()), fmt.Sprint(s.GetAlerts()), s.GetAuthor(), s.GetComment())
	}
	return t
}

// timeBefore returns the time so long before another.
func timeBefore(t time.Time, d time.Duration) *timestamppb.Timestamp {
	return timestamppb.New(t.Add(-d))
}

func silencesCreate(p *Program) *cobra.Command {
	s, r := &alertv1.Silence{}, &alertv1.Recurrence{}
	preview := false
	cmd := &cobra.Command{
		Use:   "create MATCHER...",
		Short: "Have alerts not told for a time",
		Long: "Hides the alerts whose labels match all matchers, such as 'host_name=\"db1\"'.\n" +
			"With --cron and --minutes it holds in windows that come again and again.",
		Args: someArgs("a matcher"),
	}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringVar(&s.Author, "author", p.env("USER", ""), "who ($USER)")
	cmd.Flags().StringVar(&s.Comment, "comment", "", "why")
	cmd.Flags().StringVar(&r.Cron, "cron", "", "when windows open, five fields: '0 22 * * 6'")
	cmd.Flags().Int64Var(&r.Minutes, "minutes", 60, "how long a window is")
	cmd.Flags().StringVar(&r.TimeZone, "time-zone", "", "of --cron, such as Europe/Berlin; UTC, if left out")
	cmd.Flags().BoolVar(&preview, "preview", false, "only say what it would hide")
	length := durationFlag(cmd, "for", 2*time.Hour, "how long it holds: 30m, 7d")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		now := time.Now()
		s.Matchers, s.EndTime = args, timestamppb.New(now.Add(*length))
		if r.GetCron() != "" {
			s.Recurrence = r
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			client := alertv1.NewSilenceServiceClient(conn)
			if preview {
				res, err := client.PreviewSilence(ctx, &alertv1.PreviewSilenceRequest{Silence: s})
				if err != nil {
					return err
				}
				return format.print(p.Stdout, res, func() *table { return alertTable(res.GetAlerts()) })
			}
			res, err := client.CreateSilence(ctx, &alertv1.CreateSilenceRequest{Silence: s})
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table { return silenceTable(res.GetSilence()) })
		})
	}
	return cmd
}

func silencesExpire(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "expire ID", Short: "End a silence now", Args: oneArg("the silence's ID")}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := alertv1.NewSilenceServiceClient(conn).ExpireSilence(ctx, &alertv1.ExpireSilenceRequest{Id: args[0]})
			return err
		})
	}
	return cmd
}
