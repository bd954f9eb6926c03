package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
)

func agentsCommand(p *Program) *cobra.Command {
	cmd := agentsList(p)
	cmd.Use, cmd.Short = "agents", "The agents and the hosts they run on"
	cmd.AddCommand(agentsList(p), agentsShow(p), agentsTag(p), agentsRevoke(p))
	return cmd
}

func agentsList(p *Program) *cobra.Command {
	req := &agentsv1.ListAgentsRequest{PageSize: 1000}
	cmd := &cobra.Command{Use: "list", Short: "List the agents", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringVar(&req.HostNameContains, "host", "", "only hosts whose name contains this text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &agentsv1.ListAgentsResponse{}
			for {
				page, err := agentsv1.NewAgentsServiceClient(conn).ListAgents(ctx, req)
				if err != nil {
					return err
				}
				all.Agents, all.TotalSize = append(all.Agents, page.GetAgents()...), page.GetTotalSize()
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return agentTable(all.GetAgents()) })
		})
	}
	return cmd
}

func agentTable(agents []*agentsv1.Agent) *table {
	t := newTable("ID", "HOST", "STATE", "OS", "VERSION", "LAST ACK", "SKEW", "TAGS")
	for _, a := range agents {
		t.row(a.GetId(), a.GetHostName(), state(a), a.GetOsType()+"/"+a.GetArch(), a.GetAgentVersion(), stamp(a.GetLastAckTime()), skew(a), tagText(a.GetTags()))
	}
	return t
}

func state(a *agentsv1.Agent) string {
	return strings.ToLower(strings.TrimPrefix(a.GetState().String(), "AGENT_STATE_"))
}

func skew(a *agentsv1.Agent) string {
	return (time.Duration(a.GetClockSkewMs()) * time.Millisecond).String()
}

func tagText(tags map[string]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		pairs = append(pairs, k+"="+tags[k])
	}
	return strings.Join(pairs, ",")
}

func agentsShow(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show one agent", Args: oneArg("the agent's ID")}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := agentsv1.NewAgentsServiceClient(conn).GetAgent(ctx, &agentsv1.GetAgentRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return format.print(p.Stdout, res.GetAgent(), func() *table { return agentDetails(res.GetAgent()) })
		})
	}
	return cmd
}

func agentDetails(a *agentsv1.Agent) *table {
	t := newTable("FIELD", "VALUE")
	for _, kv := range [][2]string{
		{"id", a.GetId()}, {"host name", a.GetHostName()}, {"host id", a.GetHostId()}, {"state", state(a)},
		{"os", a.GetOsType()}, {"os description", a.GetOsDescription()}, {"arch", a.GetArch()}, {"version", a.GetAgentVersion()},
		{"tags", tagText(a.GetTags())}, {"targets", strings.Join(a.GetTargets(), ",")},
		{"enrolled", stamp(a.GetEnrolTime())}, {"last ack", stamp(a.GetLastAckTime())}, {"clock skew", skew(a)},
		{"certificate ends", stamp(a.GetCertificateExpireTime())},
	} {
		t.row(kv[0], kv[1])
	}
	return t
}

func agentsTag(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tag ID NAME=VALUE...",
		Short: "Set tags of an agent, which are labels of all its series; NAME= removes one",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("write `%s`", cmd.UseLine())
			}
			return nil
		},
	}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			return tagAgent(ctx, p, agentsv1.NewAgentsServiceClient(conn), args[0], args[1:])
		})
	}
	return cmd
}

func tagAgent(ctx context.Context, p *Program, client agentsv1.AgentsServiceClient, id string, pairs []string) error {
	res, err := client.GetAgent(ctx, &agentsv1.GetAgentRequest{Id: id})
	if err != nil {
		return err
	}
	tags := maps.Clone(res.GetAgent().GetTags())
	if tags == nil {
		tags = map[string]string{}
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok || name == "":
			return usage("%q is no tag; write NAME=VALUE, or NAME= to remove one", pair)
		case value == "":
			delete(tags, name)
		default:
			tags[name] = value
		}
	}
	updated, err := client.UpdateAgent(ctx, &agentsv1.UpdateAgentRequest{Id: id, Tags: tags, Targets: res.GetAgent().GetTargets()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, cmp.Or(tagText(updated.GetAgent().GetTags()), "no tags"))
	return err
}

func agentsRevoke(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID", Short: "End an agent's identity; its data stays", Args: oneArg("the agent's ID")}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := agentsv1.NewAgentsServiceClient(conn).RevokeAgent(ctx, &agentsv1.RevokeAgentRequest{Id: args[0]})
			return err
		})
	}
	return cmd
}
