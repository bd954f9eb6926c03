package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/services/app"
	"github.com/esolutions/esmon/services/dbcopy"
)

var copyFlags = []flagSetting{
	{"data-dir", "data_dir", "data directory of the server whose data is copied"},
	{"to-dsn", "db.dsn", "connection string of the PostgreSQL database; other users of this host see it here, and not in $ESMON_POSTGRES_DSN"},
	{"log-level", "log.level", "debug, info, warn or error"},
}

func copyCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "Copy the data of a server that runs as one process to PostgreSQL",
		Long: "Copies everything in the data directory of a server that ran as one process to an empty\n" +
			"PostgreSQL database: agents, tokens, alerts, silences, and all samples, those included that\n" +
			"only the ingest log has. The server must be stopped; agents keep what they measure meanwhile.\n" +
			"Nothing in the directory is deleted. Interrupted, it can be run again and goes on where it was.\n\n" +
			"The database comes from --to-dsn, $ESMON_POSTGRES_DSN or db.dsn of the file that --config names.",
		Args: noArgs,
	}
	f := cmd.Flags()
	file := f.String("config", p.env("ESMON_CONFIG", ""), "configuration file, YAML ($ESMON_CONFIG)")
	from := f.String("from", app.DBSQLite, "kind of database to copy from; only sqlite")
	to := f.String("to", app.DBPostgres, "kind of database to copy to; only postgres")
	addSettings(cmd, copyFlags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *from != app.DBSQLite || *to != app.DBPostgres {
			return usage("--from %s --to %s: only --from sqlite --to postgres can be copied; the other way round has no command", *from, *to)
		}
		cfg, err := p.loadConfig(cmd, *file, copyFlags)
		if err != nil {
			return err
		}
		if cfg.DB.DSN == "" && cfg.DB.DSNFile == "" {
			return usage("no database is named to copy to; set ESMON_POSTGRES_DSN, or write --to-dsn or --config with a file that has db.dsn")
		}
		r := &copyReport{w: p.Stderr, now: time.Now}
		s, err := app.CopyToPostgres(cmd.Context(), cfg, newLogger(p.Stderr, cfg.Log), r.tell)
		if err != nil {
			return err
		}
		return printCopied(p.Stdout, s, cfg.DataDir)
	}
	return cmd
}

// printCopied says what was copied and what comes next.
func printCopied(w io.Writer, s *dbcopy.Summary, dir string) error {
	var b strings.Builder
	if s.Before {
		fmt.Fprintln(&b, "The copy was complete already; both databases were compared again and hold the same:")
	} else {
		fmt.Fprintln(&b, "The copy is complete, and was read back and compared:")
	}
	fmt.Fprintf(&b, "  %d tokens, %d agents\n  %d schemas, %d entities, %d pairs of them, %d rejected rows\n  %d rows of alerts, silences and notifications\n", s.Tokens, s.Agents, s.Schemas, s.Entities, s.Pairs, s.Rejected, s.AlertRows)
	for _, p := range s.Partitions {
		fmt.Fprintf(&b, "  partition %d: %d blocks, %d chunks, %s, up to cut %d\n", p.Partition, p.Blocks, p.Chunks, size(p.Bytes), p.Cut)
	}
	fmt.Fprintf(&b, "Start no server with all targets on %s any more. Start control on it, which keeps the authority in %s/pki,\n"+
		"and collectors at the address that the agents know.\n", dir, dir)
	_, err := io.WriteString(w, b.String())
	return err
}

// copyReport writes progress for people.
type copyReport struct {
	w     io.Writer
	now   func() time.Time
	step  string
	began time.Time // of the step
	told  time.Time
}

// reportEvery is how often progress is written within a step.
const reportEvery = 2 * time.Second

func (r *copyReport) tell(p dbcopy.Progress) {
	now := r.now()
	done := p.AllBlocks > 0 && p.Blocks == p.AllBlocks
	switch {
	case p.Step != r.step:
		r.step, r.began, r.told = p.Step, now, now
		_, _ = fmt.Fprintf(r.w, "%s\n", p.Step) // progress has nowhere else to go
	case p.AllBlocks > 0 && (done || now.Sub(r.told) >= reportEvery):
		r.told = now
		rate := float64(p.Bytes) / max(now.Sub(r.began).Seconds(), 1e-3)
		_, _ = fmt.Fprintf(r.w, "%s: %d of %d blocks, %s of %s, %s/s\n", p.Step, p.Blocks, p.AllBlocks, size(p.Bytes), size(p.AllBytes), size(int64(rate)))
	}
}
