package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/agent/service"
)

func serviceCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "service", Short: "Run the agent as a service of the operating system", Args: onlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	install := &cobra.Command{
		Use: "install", Short: "Install the service; it starts with the system", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := o.spec()
			if err != nil {
				return err
			}
			return tell(cmd, "installed; start it with: esmon-agent service start", service.Install(cmd.Context(), spec))
		},
	}
	cmd.AddCommand(install,
		action("uninstall", "Stop the service and remove it; the state directory stays", "removed", service.Uninstall),
		action("start", "Start the service", "started", service.Start),
		action("stop", "Stop the service", "stopped", service.Stop))
	return cmd
}

func action(name, short, done string, f func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return tell(cmd, done, f(cmd.Context())) },
	}
}

func tell(cmd *cobra.Command, done string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
	return err
}

// spec returns what the service runs: this program, with paths that mean the same
// from everywhere. A configuration with mistakes is not installed.
func (o *options) spec() (service.Spec, error) {
	cfg, err := o.load()
	if err != nil {
		return service.Spec{}, err
	}
	s := service.Spec{Config: o.file, StateDir: cfg.StateDir}
	if s.Executable, err = os.Executable(); err != nil {
		return s, fmt.Errorf("find this program: %w", err)
	}
	for _, path := range []*string{&s.Executable, &s.Config, &s.StateDir} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return s, fmt.Errorf("make the path absolute: %w", err)
		}
	}
	return s, nil
}
