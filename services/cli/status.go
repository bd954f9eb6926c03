package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

func statusCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How the platform is; exits 1 if it is not ready",
		Args:  noArgs,
	}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{})
			if err != nil {
				return err
			}
			if err := format.print(p.Stdout, res, func() *table { return statusTable(res) }); err != nil {
				return err
			}
			if !res.GetReady() {
				return fmt.Errorf("not ready: %s", strings.Join(res.GetReasons(), "; "))
			}
			return nil
		})
	}
	return cmd
}

func statusTable(s *statusv1.GetStatusResponse) *table {
	t := newTable("FIELD", "VALUE")
	add := func(field, format string, args ...any) { t.row(field, fmt.Sprintf(format, args...)) }
	add("version", "%s", s.GetVersion())
	add("started", "%s", stamp(s.GetStartTime()))
	add("ready", "%t", s.GetReady())
	for _, r := range s.GetReasons() {
		add(map[bool]string{true: "trouble", false: "not ready because"}[s.GetReady()], "%s", r)
	}
	for _, w := range s.GetWarnings() {
		add("less safe because", "%s", w)
	}
	add("agents", "%d", s.GetAgents())
	add("agents connected", "%d", s.GetAgentsConnected())
	add("active series", "%d", s.GetActiveSeries())
	add("samples ingested", "%d", s.GetSamplesIngested())
	add("frames refused", "%d", s.GetFramesRefused())
	add("data on disk", "%s", size(s.GetDataBytes()))
	for _, x := range s.GetPartitions() {
		add(fmt.Sprintf("ingest log %d", x.GetPartition()), "%s", partitionText(x))
	}
	for _, n := range s.GetNodes() {
		add(nodeTitle(n), "%s", nodeText(n))
	}
	for _, r := range s.GetRelays() {
		add("relay "+r.GetName(), "%d agents connected through it, last heard of %s", r.GetAgents(), stamp(r.GetLastTime()))
	}
	return t
}

func nodeTitle(n *statusv1.Node) string {
	if n.GetName() == "" {
		return "node at " + n.GetAddress()
	}
	return "node " + n.GetName()
}

// nodeText says what a node runs and how it is.
func nodeText(n *statusv1.Node) string {
	text := strings.Join(n.GetTargets(), ",") + ", "
	if !n.GetReady() {
		return text + "not ready: " + strings.Join(n.GetReasons(), "; ")
	}
	text += "ready since " + stamp(n.GetStartTime())
	for _, x := range n.GetPartitions() {
		text += fmt.Sprintf("; partition %d %s, lag %s", x.GetPartition(), upTo("read", x.GetHeadOffset()), time.Duration(x.GetLagMs())*time.Millisecond)
		if x.GetStoredBy() == n.GetName() {
			text += ", stored here"
		}
	}
	return text
}

// partitionText says what the ingest log holds and how far it was read and stored.
// Offsets of the contract are those of the record that comes next.
func partitionText(x *statusv1.Partition) string {
	if x.GetFirstOffset() >= x.GetNextOffset() {
		return "empty, " + upTo("stored", x.GetCommittedOffset())
	}
	return fmt.Sprintf("records %d to %d%s; %s, %s, lag %s", x.GetFirstOffset(), x.GetNextOffset()-1, sizeText(x.GetBytes()),
		upTo("read", x.GetHeadOffset()), upTo("stored", x.GetCommittedOffset()), time.Duration(x.GetLagMs())*time.Millisecond)
}

// sizeText says how large the log is, where it can tell.
func sizeText(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return ", " + size(bytes)
}

func upTo(done string, next int64) string {
	if next <= 1 {
		return "nothing " + done + " yet"
	}
	return fmt.Sprintf("%s up to %d", done, next-1)
}

// size prints bytes with the unit that gives up to four digits.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func versionCommand(p *Program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(p.Stdout, p.versionText())
			return err
		},
	}
}

func (p *Program) versionText() string {
	return fmt.Sprintf("esmon %s (%s, %s/%s)\n", p.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
