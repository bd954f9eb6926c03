package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

func alertsCommand(p *Program) *cobra.Command {
	cmd := alertsList(p)
	cmd.Use, cmd.Short = "alerts", "What is wrong now, and what was"
	cmd.AddCommand(alertsList(p), alertsShow(p), alertsHistory(p), alertsAcknowledge(p), alertsUnacknowledge(p))
	return cmd
}

func alertsList(p *Program) *cobra.Command {
	req := &alertv1.ListAlertsRequest{PageSize: 1000}
	cmd := &cobra.Command{Use: "list", Short: "List the alerts that are pending or fire", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringArrayVarP(&req.Matchers, "match", "m", nil, `only alerts whose labels match, such as 'severity="critical"'`)
	cmd.Flags().BoolVar(&req.ActiveOnly, "active", false, "leave out what is silenced, inhibited or acknowledged")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &alertv1.ListAlertsResponse{}
			for {
				page, err := alertv1.NewAlertServiceClient(conn).ListAlerts(ctx, req)
				if err != nil {
					return err
				}
				all.Alerts, all.TotalSize, all.Counts = append(all.Alerts, page.GetAlerts()...), page.GetTotalSize(), page.GetCounts()
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return alertTable(all.GetAlerts()) })
		})
	}
	return cmd
}

func alertTable(list []*alertv1.Alert) *table {
	t := newTable("ID", "ALERT", "STATE", "SEVERITY", "HOST", "SINCE", "NOTE", "SUMMARY")
	for _, a := range list {
		since := a.GetFireTime()
		if since == nil {
			since = a.GetActiveTime()
		}
		t.row(a.GetId(), a.GetLabels()["alertname"], alertState(a), a.GetLabels()["severity"], a.GetLabels()["host_name"], stamp(since), alertNote(a), a.GetAnnotations()["summary"])
	}
	return t
}

func alertState(a *alertv1.Alert) string {
	return strings.ToLower(strings.TrimPrefix(a.GetState().String(), "ALERT_STATE_"))
}

// alertNote says in a few words what is special about an alert.
func alertNote(a *alertv1.Alert) string {
	var notes []string
	if h := a.GetHold(); h != nil {
		notes = append(notes, "held: "+h.GetReason())
	}
	if a.GetNoData() {
		notes = append(notes, "no data")
	}
	if x := a.GetAcknowledgement(); x != nil {
		notes = append(notes, "acknowledged by "+x.GetAuthor())
	}
	if len(a.GetSilencedBy()) > 0 {
		notes = append(notes, "silenced")
	}
	if len(a.GetInhibitedBy()) > 0 {
		notes = append(notes, "inhibited")
	}
	if a.GetFlapping() {
		notes = append(notes, "flapping")
	}
	return strings.Join(notes, ", ")
}

func alertsShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show one alert and what happened to it", Args: oneArg("the alert's ID")}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewAlertServiceClient(conn).GetAlert(ctx, &alertv1.GetAlertRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table { return alertDetails(res) })
		})
	}
	return cmd
}

func alertDetails(res *alertv1.GetAlertResponse) *table {
	a := res.GetAlert()
	t := newTable("FIELD", "VALUE")
	for _, kv := range [][2]string{
		{"id", a.GetId()}, {"state", alertState(a)}, {"note", alertNote(a)}, {"labels", tagText(a.GetLabels())},
		{"summary", a.GetAnnotations()["summary"]}, {"description", a.GetAnnotations()["description"]},
		{"runbook", a.GetAnnotations()["runbook_url"]}, {"expression", res.GetRule().GetExpr()},
		{"threshold", a.GetThreshold()}, {"fires since", stamp(a.GetFireTime())}, {"resolved", stamp(a.GetResolveTime())},
		{"receivers", strings.Join(a.GetReceivers(), ",")}, {"held", a.GetHold().GetMessage()},
	} {
		if kv[1] != "" {
			t.row(kv[0], kv[1])
		}
	}
	for _, e := range res.GetEvents() {
		t.row(stamp(e.GetTime()), strings.TrimSpace(e.GetKind()+" "+e.GetAuthor()+" "+e.GetMessage()))
	}
	return t
}

func alertsHistory(p *Program) *cobra.Command {
	req := &alertv1.ListEpisodesRequest{PageSize: 1000}
	cmd := &cobra.Command{Use: "history", Short: "List the times for which alerts fired, newest first", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringArrayVarP(&req.Matchers, "match", "m", nil, "only of alerts whose labels match")
	span := durationFlag(cmd, "range", 24*time.Hour, "how far back: 6h, 7d")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		req.Start = timeBefore(time.Now(), *span)
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &alertv1.ListEpisodesResponse{}
			for {
				page, err := alertv1.NewAlertServiceClient(conn).ListEpisodes(ctx, req)
				if err != nil {
					return err
				}
				all.Episodes = append(all.Episodes, page.GetEpisodes()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return episodeTable(all.GetEpisodes()) })
		})
	}
	return cmd
}

func alertsAcknowledge(p *Program) *cobra.Command {
	req := &alertv1.AcknowledgeRequest{Author: p.env("USER", "")}
	cmd := &cobra.Command{Use: "ack ID...", Short: "Say that somebody deals with alerts", Args: someArgs("the alert's ID")}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringVar(&req.Author, "author", req.GetAuthor(), "who ($USER)")
	cmd.Flags().StringVar(&req.Comment, "comment", "", "what to say to others")
	cmd.Flags().BoolVar(&req.Sticky, "sticky", false, "stays when the alert resolves and fires again")
	end := durationFlag(cmd, "expire-after", 0, "when it ends: 2h; never, if left out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req.Ids = args
		if *end > 0 {
			req.ExpireAfter = durationpb.New(*end)
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewAlertServiceClient(conn).Acknowledge(ctx, req)
			if err != nil {
				return err
			}
			for _, id := range res.GetNotFound() {
				warn(p, []string{"alert " + id + " does not fire, or is none"})
			}
			return format.print(p.Stdout, res, func() *table { return alertTable(res.GetAlerts()) })
		})
	}
	return cmd
}

func alertsUnacknowledge(p *Program) *cobra.Command {
	req := &alertv1.UnacknowledgeRequest{Author: p.env("USER", "")}
	cmd := &cobra.Command{Use: "unack ID...", Short: "Take acknowledgements back", Args: someArgs("the alert's ID")}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringVar(&req.Author, "author", req.GetAuthor(), "who ($USER)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req.Ids = args
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewAlertServiceClient(conn).Unacknowledge(ctx, req)
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table { return alertTable(res.GetAlerts()) })
		})
	}
	return cmd
}
