package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/agent/agent"
)

func statusCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show the connection, the spool, what was lost, and the probes", Args: noArgs,
	}
	out := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := o.load()
		if err != nil {
			return err
		}
		s, err := agent.ReadStatus(cmd.Context(), cfg.StateDir)
		if err != nil {
			return err
		}
		if *out == "json" {
			return printJSON(cmd.OutOrStdout(), s)
		}
		return printStatus(cmd.OutOrStdout(), s, time.Now())
	}
	return cmd
}

func printStatus(w io.Writer, s *agent.Status, now time.Time) error {
	t := &table{}
	t.row("agent", agentLine(s, now))
	t.row("server", serverLine(s, now))
	for _, c := range s.Server.Collectors {
		t.row("collector", collectorLine(c, now))
	}
	t.row("last ack", ago(s.Server.LastAck, now))
	t.row("clock skew", (time.Duration(s.Server.SkewMS) * time.Millisecond).String())
	t.row("certificate", "until "+stamp(s.CertificateExpires))
	t.row("spool", spoolLine(s, now))
	for _, g := range s.Gaps {
		t.row("lost", gapLine(g))
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refusals)) {
		t.row("refused", fmt.Sprintf("%s: %d", reason, s.Refusals[reason]))
	}
	if err := t.print(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return printProbes(w, s, now)
}

func printProbes(w io.Writer, s *agent.Status, now time.Time) error {
	t := newTable("PROBE", "EVERY", "LAST RUN", "TOOK", "READINGS", "RUNS", "FAILED", "TIMEOUT", "SKIPPED", "STATE")
	for _, p := range s.Probes {
		state := "ok"
		if p.Error != "" {
			state, _, _ = strings.Cut(p.Error, "\n")
		}
		t.row(p.Name, seconds(p.IntervalSeconds).String(), ago(p.LastRun, now), seconds(p.DurationSeconds).Round(10*time.Microsecond).String(),
			strconv.FormatInt(p.Readings, 10), strconv.FormatInt(p.Runs, 10), strconv.FormatInt(p.Failures, 10),
			strconv.FormatInt(p.Timeouts, 10), strconv.FormatInt(p.Skipped, 10), state)
	}
	return t.print(w)
}

func agentLine(s *agent.Status, now time.Time) string {
	if !s.Running {
		return fmt.Sprintf("%s does not run; last seen %s", s.AgentID, ago(s.Written, now))
	}
	return fmt.Sprintf("%s runs since %s, version %s, pid %d", s.AgentID, stamp(s.Started), s.Version, s.PID)
}

func serverLine(s *agent.Status, now time.Time) string {
	switch {
	case s.Server.Connected:
		return fmt.Sprintf("%s, connected since %s", s.Server.Address, stamp(s.Server.Since))
	case s.Server.Refused != "":
		return fmt.Sprintf("refuses this identity (%s): %s", s.Server.Refused, s.Server.Error)
	case s.Server.Error != "":
		return fmt.Sprintf("not connected, %s: %s", ago(s.Server.Since, now), s.Server.Error)
	}
	return "not connected"
}

func collectorLine(c agent.CollectorStatus, now time.Time) string {
	line := c.Name
	if c.Address != "" && c.Address != c.Name {
		line += " at " + c.Address
	}
	if c.Proxy != "" {
		line += " through " + c.Proxy
	}
	switch {
	case c.Connected:
		line += ": connected"
	case c.AvoidedUntil.After(now):
		line += ": avoided for " + c.AvoidedUntil.Sub(now).Round(time.Second).String()
	}
	if !c.LastFailure.IsZero() {
		text, _, _ := strings.Cut(c.Error, "\n")
		line += fmt.Sprintf("; failed %d times, last %s: %s", c.Failures, ago(c.LastFailure, now), text)
	}
	return line
}

func spoolLine(s *agent.Status, now time.Time) string {
	line := fmt.Sprintf("%d batches, %d samples, %d bytes wait", s.Spool.Batches, s.Spool.Samples, s.Spool.Bytes)
	if s.Spool.Batches > 0 {
		line += ", the oldest from " + ago(s.Spool.Oldest, now)
	}
	return line
}

func gapLine(g agent.GapStatus) string {
	from := "an unknown time"
	if !g.From.IsZero() {
		from = stamp(g.From)
	}
	return fmt.Sprintf("from %s to %s: %d samples in %d batches (%s)", from, stamp(g.To), g.Samples, g.Batches, g.Reason)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.Local().Format(time.DateTime)
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}
