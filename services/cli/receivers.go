package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

func receiversCommand(p *Program) *cobra.Command {
	cmd := receiversList(p)
	cmd.Use, cmd.Short = "receivers", "Where notifications go"
	cmd.AddCommand(receiversList(p), receiversTest(p))
	return cmd
}

func receiversList(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the receivers and how they are", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewDeliveryServiceClient(conn).ListReceivers(ctx, &alertv1.ListReceiversRequest{})
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table {
				t := newTable("NAME", "KIND", "TARGET", "HEALTH", "WAITING", "DEAD", "LAST DELIVERY", "LAST ERROR")
				for _, r := range res.GetReceivers() {
					t.row(r.GetName(), r.GetKind(), r.GetTarget(), r.GetHealth(), fmt.Sprint(r.GetWaiting()), fmt.Sprint(r.GetDead()), stamp(r.GetLastDeliveryTime()), r.GetLastError())
				}
				return t
			})
		})
	}
	return cmd
}

func receiversTest(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "test NAME", Short: "Send a test notification", Args: oneArg("the receiver's name")}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewDeliveryServiceClient(conn).TestReceiver(ctx, &alertv1.TestReceiverRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if !res.GetDelivered() {
				return errors.New("the receiver did not take it: " + res.GetMessage())
			}
			_, err = fmt.Fprintf(p.Stdout, "delivered in %s\n", res.GetDuration().AsDuration().Round(time.Millisecond))
			return err
		})
	}
	return cmd
}

func notificationsCommand(p *Program) *cobra.Command {
	cmd := notificationsList(p)
	cmd.Use, cmd.Short = "notifications", "What people were told, with every attempt"
	cmd.AddCommand(notificationsList(p), notificationsRetry(p))
	return cmd
}

func notificationsList(p *Program) *cobra.Command {
	req := &alertv1.ListNotificationsRequest{}
	cmd := &cobra.Command{Use: "list", Short: "List the newest notifications", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	state := ""
	cmd.Flags().StringVar(&req.Receiver, "receiver", "", "only to this receiver")
	cmd.Flags().StringVar(&state, "state", "", "only in this state: waiting, delivered, dead or superseded")
	cmd.Flags().Int32Var(&req.PageSize, "limit", 100, "how many")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if req.State, err = notificationState(state); err != nil {
			return err
		}
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewDeliveryServiceClient(conn).ListNotifications(ctx, req)
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res, func() *table { return notificationTable(res.GetNotifications()...) })
		})
	}
	return cmd
}

// notificationStates begins the names of the states in the contract.
const notificationStates = "NOTIFICATION_STATE_"

func notificationState(name string) (alertv1.NotificationState, error) {
	if name == "" {
		return alertv1.NotificationState_NOTIFICATION_STATE_UNSPECIFIED, nil
	}
	n, ok := alertv1.NotificationState_value[notificationStates+strings.ToUpper(name)]
	if !ok || n == 0 {
		return 0, usage("--state %q: use waiting, delivered, dead or superseded", name)
	}
	return alertv1.NotificationState(n), nil
}

func notificationTable(list ...*alertv1.Notification) *table {
	t := newTable("ID", "MADE", "RECEIVER", "STATE", "TRIES", "TITLE", "LAST ATTEMPT")
	for _, n := range list {
		state := strings.ToLower(strings.TrimPrefix(n.GetState().String(), notificationStates))
		last := ""
		if k := len(n.GetAttempts()); k > 0 {
			last = n.GetAttempts()[k-1].GetMessage()
		}
		t.row(n.GetId(), stamp(n.GetCreateTime()), n.GetReceiver(), state, fmt.Sprint(len(n.GetAttempts())), n.GetTitle(), last)
	}
	return t
}

func notificationsRetry(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "retry ID", Short: "Send one that was given up again", Args: oneArg("the notification's ID")}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := alertv1.NewDeliveryServiceClient(conn).RetryNotification(ctx, &alertv1.RetryNotificationRequest{Id: args[0]})
			return err
		})
	}
	return cmd
}
