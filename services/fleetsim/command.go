package fleetsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// TokenSource returns an enrolment token for the given number of agents from
// the server whose data directory is given.
type TokenSource func(ctx context.Context, dataDir string, uses int) (string, error)

// options are those of the command that a [Config] has not.
type options struct {
	dataDir, http string
	remoteWrite   string
	serverPIDs    []int
	verify, json  bool
	saturate      bool
}

// Result is what `esmon bench fleet -o json` prints.
type Result struct {
	Config            Config        `json:"config"`
	Report            Report        `json:"report"`
	SamplesPerSec     float64       `json:"samples_per_second"`
	CPUPerMillion     float64       `json:"server_cpu_seconds_per_million_samples,omitempty"`
	ServerMemoryBytes int64         `json:"server_memory_bytes,omitempty"`
	Verification      *Verification `json:"verification,omitempty"`
}

// Command returns `fleet`, to be put below `esmon bench`.
func Command(tokens TokenSource) *cobra.Command {
	cfg := DefaultConfig()
	var o options
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Simulate a fleet of agents against a running server",
		Long: "Enrols agents with real identities, streams values recorded on a real host over the\n" +
			"real protocol, and keeps a ledger of what was acknowledged. With --verify it reads\n" +
			"everything back through the public API and compares counts and values.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Paced = !o.saturate
			return run(cmd.Context(), cfg, o, tokens, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Agents, "agents", cfg.Agents, "number of agents")
	f.IntVar(&cfg.Series, "series", cfg.Series, "series an agent, and samples a message")
	f.DurationVar(&cfg.Interval, "interval", cfg.Interval, "time between the samples of a series")
	f.BoolVar(&cfg.Paced, "paced", true, "one message an interval")
	f.BoolVar(&o.saturate, "saturate", false, "as fast as the server takes it; timestamps are those of a fleet that began a day ago")
	f.DurationVar(&cfg.Backdate, "backdate", 0, "how far in the past the timestamps are, when paced: late data")
	f.IntVar(&cfg.Window, "window", cfg.Window, "messages an agent may have unacknowledged")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long to send")
	f.Uint64Var(&cfg.Moments, "messages", 0, "messages an agent; 0 for as many as the duration allows")
	f.DurationVar(&cfg.Drain, "drain", cfg.Drain, "how long to wait for the last acknowledgements")
	f.StringVar(&cfg.Recording, "recording", cfg.Recording, "values of a busy or an idle host")
	f.StringVar(&cfg.Name, "name", cfg.Name, "prefix of the host names")
	f.StringVar(&cfg.Address, "server", "", "agents' ports of the collectors, separated by commas (default: the one of --data-dir)")
	f.StringVar(&cfg.Token, "token", "", "enrolment token (default: made through --data-dir)")
	f.StringVar(&o.dataDir, "data-dir", "data", "data directory of a server on this host")
	f.StringVar(&o.http, "http", "", "base URL for --verify (default: the one of --data-dir)")
	f.StringVar(&o.remoteWrite, "remote-write", "", "send to this Prometheus remote-write URL instead, to measure another system")
	f.IntSliceVar(&o.serverPIDs, "server-pid", nil, "processes whose CPU time is measured together (Linux)")
	f.BoolVar(&o.verify, "verify", false, "compare what is stored with what was acknowledged")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("paced", "saturate")
	cmd.MarkFlagsMutuallyExclusive("remote-write", "verify")
	return cmd
}

func run(ctx context.Context, cfg Config, o options, tokens TokenSource, out io.Writer) error {
	fleet, err := prepare(ctx, &cfg, &o, tokens)
	if err != nil {
		return err
	}
	before := readUsageOf(o.serverPIDs)
	var report Report
	if fleet == nil {
		report, err = RemoteWrite(ctx, cfg, o.remoteWrite)
	} else {
		report, err = fleet.Run(ctx)
	}
	after := readUsageOf(o.serverPIDs)
	cfg.Token = "***"
	result := Result{Config: cfg, Report: report, SamplesPerSec: float64(report.Samples) / report.Took.Seconds()}
	if len(o.serverPIDs) > 0 && report.Samples > 0 {
		result.CPUPerMillion = (after.cpu - before.cpu).Seconds() / float64(report.Samples) * 1e6
		result.ServerMemoryBytes = after.memory
	}
	if o.verify && ctx.Err() == nil {
		v, verifyErr := fleet.Verify(ctx, o.http)
		if verifyErr != nil {
			return errors.Join(err, verifyErr)
		}
		result.Verification = &v
	}
	if err := result.print(out, o.json); err != nil {
		return err
	}
	return errors.Join(err, result.failure())
}

// prepare enrols the fleet; there is none to enrol for remote write.
func prepare(ctx context.Context, cfg *Config, o *options, tokens TokenSource) (*Fleet, error) {
	if o.remoteWrite != "" {
		return nil, nil //nolint:nilnil // no fleet is not a mistake
	}
	if err := complete(ctx, cfg, o, tokens); err != nil {
		return nil, err
	}
	return New(ctx, *cfg)
}

// complete fills in what the data directory of a local server tells.
func complete(ctx context.Context, cfg *Config, o *options, tokens TokenSource) error {
	var endpoints struct{ HTTP, GRPC string }
	if cfg.Address == "" || (o.verify && o.http == "") {
		path := filepath.Join(o.dataDir, "endpoints.json")
		b, err := os.ReadFile(path) //nolint:gosec // the caller's own file
		if err != nil {
			return fmt.Errorf("find the server: %w; start it, or give --server and --http", err)
		}
		if err := json.Unmarshal(b, &endpoints); err != nil {
			return fmt.Errorf("find the server: %s: %w", path, err)
		}
	}
	if cfg.Address == "" {
		cfg.Address = endpoints.GRPC
	}
	if o.http == "" {
		o.http = "http://" + endpoints.HTTP
	}
	if cfg.Token == "" {
		token, err := tokens(ctx, o.dataDir, cfg.Agents)
		if err != nil {
			return fmt.Errorf("make an enrolment token: %w", err)
		}
		cfg.Token = token
	}
	return nil
}

// failure says what makes the run a failed one.
func (r *Result) failure() error {
	if r.Report.Refused > 0 {
		return fmt.Errorf("%d frames were refused: %s", r.Report.Refused, r.Report.LastError)
	}
	if v := r.Verification; v != nil && v.Differences > 0 {
		return fmt.Errorf("%d series and minutes are not stored as acknowledged", v.Differences)
	}
	return nil
}

func (r *Result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	pace := "paced"
	if !r.Config.Paced {
		pace = "saturated"
	}
	_, err := fmt.Fprintf(w, "fleet       %d agents × %d series every %s, %s, window %d, %s host\n"+
		"sent        %s, acknowledged %d samples in %d messages: %.0f samples/s\n"+
		"acks        p50 %s, p99 %s; %d streams broke, %d messages put off, %d frames refused\n",
		r.Config.Agents, r.Config.Series, r.Config.Interval, pace, r.Config.Window, r.Config.Recording,
		r.Report.Took.Round(time.Millisecond), r.Report.Samples, r.Report.Batches, r.SamplesPerSec,
		r.Report.P50.Round(10*time.Microsecond), r.Report.P99.Round(10*time.Microsecond),
		r.Report.Reconnects, r.Report.PutOff, r.Report.Refused)
	if err == nil && r.CPUPerMillion > 0 {
		_, err = fmt.Fprintf(w, "server      %.3f CPU s per million samples, %d MB resident\n", r.CPUPerMillion, r.ServerMemoryBytes>>20)
	}
	if v := r.Verification; err == nil && v != nil {
		_, err = fmt.Fprintf(w, "verified    %d samples acknowledged, %d found, %d differences\n", v.Samples, v.Found, v.Differences)
		for _, e := range v.Examples {
			_, err = fmt.Fprintln(w, "            "+e)
		}
	}
	return err
}
