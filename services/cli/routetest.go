package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

func rulesRouteTest(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route-test NAME=VALUE...",
		Short: "Say who would be told about an alert with these labels",
		Args:  someArgs("a label"),
	}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req := &alertv1.TestRouteRequest{Labels: map[string]string{}}
		for _, a := range args {
			name, value, ok := strings.Cut(a, "=")
			if !ok || name == "" {
				return usage("%q is no label; write NAME=VALUE, such as severity=critical", a)
			}
			req.Labels[name] = value
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewDeliveryServiceClient(conn).TestRoute(ctx, req)
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table { return routeTable(res.GetMatches()) })
		})
	}
	return cmd
}

func routeTable(matches []*alertv1.RouteMatch) *table {
	t := newTable("ROUTE", "AFTER", "RECEIVERS", "GROUP", "MUTED BY")
	for _, m := range matches {
		t.row(m.GetPath(), "0s", strings.Join(m.GetReceivers(), ","), tagText(m.GetGroupLabels()), m.GetMutedBy())
		for _, s := range m.GetEscalation() {
			t.row(m.GetPath(), fmt.Sprint(s.GetAfter().AsDuration()), strings.Join(s.GetReceivers(), ","), "", "")
		}
	}
	return t
}
