package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/agent/agent"
	"github.com/esolutions/esmon/agent/config"
	"github.com/esolutions/esmon/agent/service"
)

// Program is what a run of the command line gets from its surroundings.
type Program struct {
	Version string
	Args    []string // without the program's name
	Environ []string // as os.Environ returns it
	Stdout  io.Writer
	Stderr  io.Writer
}

// Main runs one command and returns the exit code: 0, 1 after a failure, 2 after
// a mistake on the command line. SIGINT and SIGTERM end `run` cleanly; a second
// one ends it at once.
func Main(p Program) int {
	// First of all: a service manager that waits is answered before anything is
	// read.
	hosted, err := service.Hosted(p.serve)
	if hosted {
		return p.exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return p.exit(p.execute(ctx, nil))
}

func (p *Program) execute(ctx context.Context, started func()) error {
	root := p.command(started)
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

// serve runs the command of a Windows service, whose log goes to the event log.
func (p *Program) serve(ctx context.Context, started func(), log io.Writer) error {
	hosted := *p
	hosted.Stdout, hosted.Stderr = log, log
	return hosted.execute(ctx, started)
}

func (p *Program) exit(err error) int {
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error() + "\n") {
		_, _ = fmt.Fprintf(p.Stderr, "esmon-agent: %s", line) // there is nowhere else to tell
	}
	var u *usageError
	if errors.As(err, &u) {
		return 2
	}
	return 1
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// Unwrap returns the mistake.
func (e *usageError) Unwrap() error { return e.error }

func (p *Program) command(started func()) *cobra.Command {
	o := &options{program: p}
	root := &cobra.Command{
		Use: "esmon-agent", Short: "Measures this host and sends what it measured to the eSolutions Monitoring Platform",
		Version: p.Version, SilenceUsage: true, SilenceErrors: true,
		// Without a command: help. An unknown one is a mistake.
		Args: onlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("esmon-agent {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	o.register(root)
	root.AddCommand(runCommand(o, started), enrolCommand(o), collectCommand(o), statusCommand(o), checkCommand(o), serviceCommand(o))
	return root
}

// onlyCommands are the arguments of a command that is only a list of others.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("there is no command %q; %s --help lists them", args[0], cmd.CommandPath())}
	}
	return nil
}

// noArgs are the arguments of a command that takes flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes flags only, not %q; %s --help lists them", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// options are the flags that all commands share.
type options struct {
	program  *Program
	file     string
	stateDir string
	logLevel string
	servers  []string
	set      []string
}

func (o *options) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&o.file, "config", "", "configuration file (default "+config.DefaultFile()+", if it is there)")
	f.StringVar(&o.stateDir, "state-dir", "", "directory of the identity, the spool and the status (default "+config.DefaultStateDir()+")")
	f.StringVar(&o.logLevel, "log-level", "", "debug, info, warn or error")
	f.StringArrayVar(&o.set, "set", nil, "any setting, as `key=value`; may be repeated")
}

// load returns the configuration.
func (o *options) load() (config.Config, error) {
	src := config.Source{File: o.file, Environ: o.program.Environ}
	add := func(flag, key, value string) {
		if value != "" {
			src.Settings = append(src.Settings, config.FlagText{Flag: flag, Key: key, Value: value})
		}
	}
	add("--state-dir", "state_dir", o.stateDir)
	add("--log-level", "log.level", o.logLevel)
	add("--server", "servers", strings.Join(o.servers, ","))
	for _, kv := range o.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return config.Config{}, &usageError{fmt.Errorf("--set %s: write key=value", kv)}
		}
		src.Settings = append(src.Settings, config.FlagText{Flag: "--set", Key: key, Value: value})
	}
	return config.Load(src)
}

// logger returns the log that the configuration asks for.
func (o *options) logger(cfg config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		level = slog.LevelInfo // cannot be: the configuration was checked
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(o.program.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(o.program.Stderr, opts))
}

func runCommand(o *options, started func()) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "run", Short: "Measure and send until told to stop", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if check {
				return sayGood(cmd)
			}
			return agent.Run(cmd.Context(), cfg, o.program.Version, o.logger(cfg), started)
		},
	}
	cmd.Flags().BoolVar(&check, "check-config", false, "check the configuration, say every mistake and exit")
	cmd.Flags().StringArrayVar(&o.servers, "server", nil, serverHelp)
	return cmd
}

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "check-config", Short: "Check the configuration and say every mistake with its line", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := o.load(); err != nil {
				return err
			}
			return sayGood(cmd)
		},
	}
}

func sayGood(cmd *cobra.Command) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration is good")
	return err
}
