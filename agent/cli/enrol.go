package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/agent/agent"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/services/mtls"
)

func enrolCommand(o *options) *cobra.Command {
	var token string
	cmd := &cobra.Command{
		Use: "enroll", Aliases: []string{"enrol"}, Short: "Get this host its identity from a server, with a token", Args: noArgs,
		Long: `Get this host its identity from a server, with a token.

The token comes from "esmon token create" on the server. It also names the
server's CA: nothing is sent before the server has proved that it belongs to
it. The key is made here and never leaves this host. An agent that runs takes
the new identity by itself if the server had refused the old one.

The token may also be given in the environment, as ESMON_TOKEN, where other
users of this host cannot see it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if token == "" {
				token = lookup(o.program.Environ, "ESMON_TOKEN")
			}
			return o.enrol(cmd, token)
		},
	}
	cmd.Flags().StringArrayVar(&o.servers, "server", nil, serverHelp)
	cmd.Flags().StringVar(&token, "token", "", "enrolment token")
	return cmd
}

// serverHelp is the help of --server.
const serverHelp = "addresses of the collectors, host:port, separated by commas; may be repeated"

func lookup(environ []string, name string) string {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

func (o *options) enrol(cmd *cobra.Command, token string) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	const usage = "esmon-agent enroll --server ADDRESS --token TOKEN; the token comes from `esmon token create` on the server"
	switch {
	case len(cfg.Servers) == 0:
		return &usageError{errors.New("the server is missing: " + usage)}
	case token == "":
		return &usageError{errors.New("the token is missing: " + usage)}
	}
	if err := mtls.SelfCheck(mtls.Cipher(cfg.Cipher)); err != nil {
		return err
	}
	// Before the token is used up: a directory that cannot be written.
	if err := writable(cfg.StateDir); err != nil {
		return err
	}
	dialer, err := collectors.New(collectors.Config{Proxy: cfg.Proxy, Environ: o.program.Environ})
	if err != nil {
		return err
	}
	i, err := enrol.Enrol(cmd.Context(), dialer, cfg.Servers, token, mtls.Cipher(cfg.Cipher), agent.HostFacts())
	if err != nil {
		return err
	}
	if err := enrol.Save(cfg.StateDir, i); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "enrolled as agent %s; the certificate is valid until %s and is renewed by itself\n",
		i.AgentID, i.Expires().Local().Format(time.DateTime))
	return err
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.CreateTemp(dir, "enroll-*")
	if err != nil {
		return fmt.Errorf("the state directory cannot be written, nothing was sent: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
