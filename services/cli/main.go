package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/fleetsim"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Program is what a run of the command line gets from its surroundings.
type Program struct {
	Version string
	Args    []string // without the program's name
	Environ []string // as os.Environ returns it
	Stdout  io.Writer
	Stderr  io.Writer
}

// Main runs one command and returns the exit code. SIGINT and SIGTERM end it
// cleanly; a second one ends it at once.
func Main(ctx context.Context, p Program) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on, the next one is the system's to act on.
	context.AfterFunc(ctx, stop)
	root := command(&p)
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(message(err) + "\n") {
		_, _ = fmt.Fprintf(p.Stderr, "esmon: %s", line) // there is nowhere else to tell
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

// Error returns the mistake and where help is.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the mistake.
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// message is what a person reads of an error: a status from the server without
// the wrapping that gRPC gives it.
func message(err error) string {
	if e, ok := errors.AsType[interface {
		error
		GRPCStatus() *statusOf
	}](err); ok {
		return fault.FromGRPC(e).Message
	}
	return err.Error()
}

// command returns the tree of commands.
func command(p *Program) *cobra.Command {
	root := &cobra.Command{
		Use:           "esmon",
		Short:         "The eSolutions Monitoring Platform",
		Long:          "esmon keeps the metrics of fleets of hosts, answers questions about them in PromQL\nand shows them on a dashboard. `esmon serve` runs it; the other commands ask a running one.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; `%s --help` lists the flags", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(p), tokenCommand(p), queryCommand(p), agentsCommand(p), statusCommand(p), benchCommand(p), versionCommand(p))
	return root
}

// benchCommand returns the commands that measure and test a running server.
func benchCommand(p *Program) *cobra.Command {
	bench := group("bench", "Measure a running server")
	bench.AddCommand(fleetsim.Command(func(ctx context.Context, dataDir string, uses int) (string, error) {
		c := &connection{program: p, dataDir: dataDir}
		return c.createToken(ctx, uses)
	}))
	return bench
}

// group returns a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%q is no command of `%s`; `%s --help` lists what there is", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// oneArg asks for exactly one argument, named in messages.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("%s is missing; write `%s`", name, cmd.UseLine())
		case len(args) > 1:
			return usage("%q is too much; write %s as one argument, in quotes if it holds spaces", args[1], name)
		}
		return nil
	}
}
