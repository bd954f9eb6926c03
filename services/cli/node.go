package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
)

func nodeCommand(p *Program) *cobra.Command {
	cmd := group("node", "Processes that run a part of the platform")
	tokens := group("token", "Tokens that nodes join with; on a host that runs control")
	tokens.AddCommand(nodeTokenCreate(p), nodeTokenList(p), nodeTokenRevoke(p))
	cmd.AddCommand(tokens)
	return cmd
}

func nodeTokenCreate(p *Program) *cobra.Command {
	req := &clusterv1.CreateNodeTokenRequest{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a join token for one node; it is shown this once",
		Long: "Makes a join token and prints it, and nothing else, to standard output.\n" +
			"Give it to the node's first start, as ESMON_CLUSTER_JOIN_TOKEN or in a file that\ncluster.join_token_file names.",
		Args: noArgs,
	}
	c := connectionFlags(cmd, p)
	cmd.Flags().StringVar(&req.Name, "name", "", "the node's name, such as that of its host")
	cmd.Flags().StringSliceVar(&req.Targets, "target", nil, "what the node may run: collector, storage, alerting, dispatch, gateway, control, relay")
	ttl := durationFlag(cmd, "ttl", time.Hour, "how long it is valid: 30m, 24h, 7d")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case req.GetName() == "":
			return usage("--name: give the node a name")
		case len(req.GetTargets()) == 0:
			return usage("--target: say what the node may run")
		case *ttl < time.Second:
			return usage("--ttl: %s is too short; write 1s or more", *ttl)
		}
		req.TtlSeconds = int64(*ttl / time.Second)
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := clusterv1.NewNodeTokenServiceClient(conn).CreateNodeToken(ctx, req)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Stdout, res.GetSecret())
			return err
		})
	}
	return cmd
}

func nodeTokenList(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the join tokens, without their secrets", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &clusterv1.ListNodeTokensResponse{}
			for req := (&clusterv1.ListNodeTokensRequest{PageSize: 1000}); ; {
				page, err := clusterv1.NewNodeTokenServiceClient(conn).ListNodeTokens(ctx, req)
				if err != nil {
					return err
				}
				all.Tokens = append(all.Tokens, page.GetTokens()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return nodeTokenTable(all.GetTokens()) })
		})
	}
	return cmd
}

func nodeTokenTable(tokens []*clusterv1.NodeToken) *table {
	t := newTable("ID", "NAME", "TARGETS", "CREATED", "EXPIRES", "USED", "REVOKED")
	for _, k := range tokens {
		t.row(k.GetId(), k.GetName(), strings.Join(k.GetTargets(), ","), stamp(k.GetCreateTime()), stamp(k.GetExpireTime()), stamp(k.GetUseTime()), stamp(k.GetRevokeTime()))
	}
	return t
}

func nodeTokenRevoke(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a join token at once; the certificate of a node that joined with it is not renewed any more",
		Args: oneArg("the token's ID"),
	}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := clusterv1.NewNodeTokenServiceClient(conn).RevokeNodeToken(ctx, &clusterv1.RevokeNodeTokenRequest{Id: args[0]})
			return err
		})
	}
	return cmd
}
