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
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
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
	text := message(err)
	if interrupted(ctx, err) {
		text = "interrupted"
	}
	for line := range strings.Lines(text + "\n") {
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
		GRPCStatus() *grpcstatus.Status
	}](err); ok {
		return fault.FromGRPC(e).Message
	}
	return err.Error()
}

// interrupted tells whether the command failed because it was told to end.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || grpcstatus.Code(err) == codes.Canceled)
}

// command returns the tree of commands.
func command(p *Program) *cobra.Command {
	root := &cobra.Command{
		Use:           "esmon",
		Short:         "The eSolutions Monitoring Platform",
		Long:          "esmon keeps the metrics of fleets of hosts, answers questions about them in PromQL\nand shows them on a dashboard. `esmon serve` runs it; the other commands ask a running one.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       p.Version,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(p.versionText())
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; `%s --help` lists the flags", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(p), tokenCommand(p), nodeCommand(p), healthCommand(p), queryCommand(p), agentsCommand(p), alertsCommand(p), rulesCommand(p), silencesCommand(p), receiversCommand(p), notificationsCommand(p), statusCommand(p), doctorCommand(p), benchCommand(p), copyCommand(p), versionCommand(p))
	return root
}

// helpCommand is `esmon help`, which refuses what is no command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("`%s` is no command; `esmon help` lists them", strings.Join(append([]string{"esmon"}, args...), " "))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// group returns a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
}

func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasSubCommands():
		return usage("%q is too much: `%s` takes flags only; `%s --help` lists them", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage("%q is no command of `%s`; did you mean `%s %s`?", args[0], cmd.CommandPath(), cmd.CommandPath(), near[0])
	}
	return usage("%q is no command of `%s`; `%s --help` lists what there is", args[0], cmd.CommandPath(), cmd.CommandPath())
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
