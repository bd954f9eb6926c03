package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/services/app"
	"github.com/esolutions/esmon/services/settings"
)

// flagSetting is a flag that sets a setting.
type flagSetting struct{ flag, setting, help string }

var serveFlags = []flagSetting{
	{"target", "targets", "parts to run, separated by commas; all runs the whole platform in this process"},
	{"data-dir", "data_dir", "directory for all that is kept"},
	{"http", "http.address", "where the dashboard and the REST interface listen; port 0 takes a free one"},
	{"grpc", "grpc.address", "where agents connect; port 0 takes a free one"},
	{"internal", "cluster.address", "where other processes of the platform connect; port 0 takes a free one"},
	{"log-level", "log.level", "debug, info, warn or error"},
}

func serveCommand(p *Program) *cobra.Command {
	var file string
	var checkOnly bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the platform",
		Long: "Runs the platform until SIGINT or SIGTERM, then drains and exits 0.\n\n" +
			"Settings come from their defaults, then the configuration file, then the environment\n" +
			"(ESMON_HTTP_ADDRESS and so on), then these flags.",
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", p.env("ESMON_CONFIG", ""), "configuration file, YAML ($ESMON_CONFIG)")
	f.BoolVar(&checkOnly, "check-config", false, "say every mistake in the configuration and end; 0 if there is none")
	addSettings(cmd, serveFlags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.loadConfig(cmd, file, serveFlags)
		if err != nil {
			return err
		}
		if checkOnly {
			_, err := fmt.Fprintln(p.Stdout, "the configuration is good")
			return err
		}
		return p.serve(cmd, cfg)
	}
	return cmd
}

// addSettings adds flags that set settings.
func addSettings(cmd *cobra.Command, flags []flagSetting) {
	f := cmd.Flags()
	defaults := defaultTexts()
	for _, s := range flags {
		f.String(s.flag, "", s.help)
		f.Lookup(s.flag).DefValue = defaults[s.setting] // for the help; left out, it overrides nothing
	}
}

// loadConfig reads the configuration from all its sources.
func (p *Program) loadConfig(cmd *cobra.Command, file string, flags []flagSetting) (app.Config, error) {
	cfg := app.DefaultConfig()
	s := settings.New(&cfg)
	if file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return cfg, fmt.Errorf("read the configuration: %w", err)
		}
		s.YAML(file, text)
	}
	p.aliases(s)
	s.Environment(p.Environ)
	for _, x := range flags {
		if fl := cmd.Flags().Lookup(x.flag); fl.Changed {
			s.Text(x.setting, fl.Value.String(), "flag --"+x.flag)
		}
	}
	s.Validate()
	return cfg, configError(s.Err())
}

// aliases are variables that choose an engine together with where it is.
func (p *Program) aliases(s *settings.Set) {
	for _, x := range []struct{ name, setting, kindSetting, kind string }{
		{"ESMON_AMQP_URL", "bus.url", "bus.kind", app.BusAMQP},
		{"ESMON_POSTGRES_DSN", "db.dsn", "db.kind", app.DBPostgres},
	} {
		if text := p.env(x.name, ""); text != "" {
			s.Text(x.setting, text, x.name)
			s.Text(x.kindSetting, x.kind, x.name)
		}
	}
}

// configError makes a mistake in a flag one of the command line.
func configError(err error) error {
	problems, _ := errors.AsType[settings.Problems](err)
	for _, p := range problems {
		if strings.HasPrefix(p.Place.Source, "flag --") {
			return &usageError{err}
		}
	}
	return err
}

// defaultTexts returns the defaults as they are written in a file.
func defaultTexts() map[string]string {
	cfg, texts := app.DefaultConfig(), map[string]string{}
	for _, d := range settings.New(&cfg).Describe() {
		texts[d.Path] = strings.Trim(d.Value, "[]")
	}
	return texts
}

func (p *Program) serve(cmd *cobra.Command, cfg app.Config) error {
	cfg.Version = p.Version
	log := newLogger(p.Stderr, cfg.Log)
	a, err := app.Build(cmd.Context(), cfg, log)
	switch {
	case err != nil && cmd.Context().Err() != nil:
		// What fails then, in whatever words, fails because of that.
		log.Info("told to stop before the start was complete")
		log.Debug("what was cut off", "error", err)
		return nil //nolint:nilerr // it was told to stop, and did
	case err != nil:
		return err
	}
	if err := p.greet(cfg, a.Endpoints()); err != nil {
		return errors.Join(err, a.Close())
	}
	return a.Run(cmd.Context())
}

// greet says where the platform is and what to do first.
func (p *Program) greet(cfg app.Config, e app.Endpoints) error {
	var b strings.Builder
	add := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{what}, args...)...)
	}
	fmt.Fprintf(&b, "esmon %s, %s\n", p.Version, strings.Join(cfg.Targets, ","))
	if cfg.Serves() {
		add("dashboard", "http://%s/", e.HTTP)
		add("REST", "http://%s/api/docs", e.HTTP)
		add("Grafana", "http://%s/prometheus (data source of type Prometheus)", e.HTTP)
	} else {
		add("health", "http://%s/readyz", e.HTTP)
	}
	if e.GRPC != "" {
		add("agents", "%s", e.GRPC)
	}
	if e.Internal != "" {
		add("nodes", "%s", e.Internal)
	}
	add("data", "%s", cfg.DataDir)
	if cfg.Serves() {
		fmt.Fprintf(&b, "A first question:\n  esmon query 'system_uptime_seconds' --data-dir %s\n  curl 'http://%s/prometheus/api/v1/query?query=system_uptime_seconds'\n", cfg.DataDir, e.HTTP)
	}
	_, err := io.WriteString(p.Stdout, b.String())
	return err
}

func newLogger(w io.Writer, cfg app.LogConfig) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.SlogLevel()}
	if cfg.Format == app.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
