package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

func doctorCommand(p *Program) *cobra.Command {
	req := &statusv1.DiagnosePlatformRequest{}
	cmd := &cobra.Command{
		Use:   "doctor [AGENT]",
		Short: "Follow an agent's data hop by hop and say where it is stuck; exits 1 if it is",
		Long: "doctor follows the data of one agent, by its id or host name, from its probes to the\n" +
			"answer of a query and says at which hop it is stuck. Without an agent it looks at\n" +
			"the platform as a whole. It exits 1 if something is stuck.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("write `%s`", cmd.UseLine())
			}
			return nil
		},
	}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().Int32Var(&req.Agents, "agents", 10, "without an agent: how many of those that lag most to show")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			client := statusv1.NewStatusServiceClient(conn)
			if len(args) == 1 {
				return diagnoseAgent(ctx, p.Stdout, client, *format, args[0])
			}
			return diagnosePlatform(ctx, p.Stdout, client, *format, req)
		})
	}
	return cmd
}

func diagnoseAgent(ctx context.Context, w io.Writer, client statusv1.StatusServiceClient, f format, agent string) error {
	d, err := client.DiagnoseAgent(ctx, &statusv1.DiagnoseAgentRequest{Agent: agent})
	if err != nil {
		return err
	}
	if f == "table" {
		err = writeAll(w, agentReport(d))
	} else {
		err = f.print(w, d, func() *table { return hopTable(d.GetHops(), true) })
	}
	if err != nil {
		return err
	}
	return verdict(d.GetHops())
}

func diagnosePlatform(ctx context.Context, w io.Writer, client statusv1.StatusServiceClient, f format, req *statusv1.DiagnosePlatformRequest) error {
	d, err := client.DiagnosePlatform(ctx, req)
	if err != nil {
		return err
	}
	if f == "table" {
		err = writeAll(w, platformReport(d))
	} else {
		err = f.print(w, d, func() *table { return hopTable(d.GetHops(), true) })
	}
	if err != nil {
		return err
	}
	return verdict(d.GetHops())
}

// verdict is the error of a diagnosis that found something stuck.
func verdict(hops []*statusv1.Hop) error {
	var stuck []string
	for _, h := range hops {
		if h.GetState() == statusv1.HopState_HOP_STATE_STUCK {
			stuck = append(stuck, h.GetName())
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	return errors.New("stuck: " + strings.Join(stuck, ", "))
}

// section is a part of a report for people.
type section struct {
	lines []string
	table *table
}

// writeAll writes the sections that have something, with a line between.
func writeAll(w io.Writer, sections []section) error {
	for i, s := range sections {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		for _, line := range s.lines {
			if _, err := fmt.Fprintln(w, strings.Map(printable, line)); err != nil {
				return err
			}
		}
		if s.table == nil {
			continue
		}
		if err := s.table.text(w); err != nil {
			return err
		}
	}
	return nil
}

func agentReport(d *statusv1.DiagnoseAgentResponse) []section {
	head := append([]string{d.GetSummary()}, d.GetNotes()...)
	return append([]section{{lines: head}, {table: hopTable(d.GetHops(), false)}}, adviceSection(d.GetHops())...)
}

func platformReport(d *statusv1.DiagnosePlatformResponse) []section {
	head := append([]string{d.GetSummary()}, d.GetNotes()...)
	all := append([]section{{lines: head}, {table: hopTable(d.GetHops(), false)}}, adviceSection(d.GetHops())...)
	if len(d.GetNodes()) > 0 {
		t := newTable("NODE", "TARGETS", "ADDRESS", "TROUBLE")
		for _, n := range d.GetNodes() {
			t.row(orDash(n.GetName()), strings.Join(n.GetTargets(), ","), orDash(n.GetAddress()), nodeTrouble(n))
		}
		all = append(all, section{lines: []string{"Processes with trouble:"}, table: t})
	}
	if len(d.GetAgents()) > 0 {
		t := newTable("AGENT", "HOST", "STATE", "LAST ACK", "LAG")
		for _, a := range d.GetAgents() {
			t.row(a.GetAgent(), a.GetHostName(), a.GetState(), stamp(a.GetLastAckTime()), lagText(a.GetLagMs()))
		}
		all = append(all, section{lines: []string{fmt.Sprintf("Agents that lag most, of %d (%d for a minute or longer):", d.GetAgentsSeen(), d.GetAgentsLate())}, table: t})
	}
	return all
}

// nodeTrouble says what is wrong with a node.
func nodeTrouble(n *statusv1.Node) string {
	all := n.GetReasons()
	if len(all) == 0 {
		for _, t := range n.GetTroubles() {
			all = append(all, t.GetPart()+": "+t.GetMessage())
		}
	}
	return strings.Join(all, "; ")
}

// hopTable shows hops; full adds what to do, which is a section of its own for
// people.
func hopTable(hops []*statusv1.Hop, full bool) *table {
	header := []string{"HOP", "STATE", "LAG", "SINCE", "WHERE", "SEEN"}
	if full {
		header = append(header, "ADVICE")
	}
	t := newTable(header...)
	for _, h := range hops {
		cells := []string{h.GetName(), hopState(h), lagText(h.GetLagMs()), stamp(h.GetSince()), orDash(h.GetWhere()), h.GetMessage()}
		if full {
			cells = append(cells, h.GetAdvice())
		}
		t.row(cells...)
	}
	return t
}

func adviceSection(hops []*statusv1.Hop) []section {
	var lines []string
	for _, h := range hops {
		if h.GetAdvice() != "" {
			lines = append(lines, "  "+h.GetName()+": "+h.GetAdvice())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return []section{{lines: append([]string{"What to do:"}, lines...)}}
}

func hopState(h *statusv1.Hop) string {
	return strings.ToLower(strings.TrimPrefix(h.GetState().String(), "HOP_STATE_"))
}

func lagText(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case ms == 0:
		return "-"
	case d < time.Minute:
		return d.String()
	}
	return d.Round(time.Second).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
