package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/esolutions/esmon/services/app"
	"github.com/esolutions/esmon/services/cli/restconn"
)

// callTimeout bounds a command that asks the server for something; queries have
// the server's own, shorter limit.
const callTimeout = 5 * time.Minute

// connection is how a command finds the server.
type connection struct {
	program *Program
	dataDir string
	server  string
	timeout time.Duration
}

// connectionFlags adds the flags that say where the server is.
func connectionFlags(cmd *cobra.Command, p *Program) *connection {
	c := &connection{program: p, timeout: callTimeout}
	f := cmd.Flags()
	f.StringVar(&c.dataDir, "data-dir", p.env("ESMON_DATA_DIR", "./data"), "data directory of the server on this host ($ESMON_DATA_DIR)")
	f.StringVar(&c.server, "server", p.env("ESMON_SERVER", ""), "URL of a server elsewhere, such as http://localhost:8080 ($ESMON_SERVER, with the token in $ESMON_TOKEN)")
	return c
}

// env returns a variable of the environment.
func (p *Program) env(name, otherwise string) string {
	for _, kv := range p.Environ {
		if value, ok := strings.CutPrefix(kv, name+"="); ok && value != "" {
			return value
		}
	}
	return otherwise
}

// do calls f with a connection to the server.
func (c *connection) do(ctx context.Context, f func(context.Context, grpc.ClientConnInterface) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("the server did not answer within %s", c.timeout))
	defer cancel()
	err := c.call(ctx, f)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

func (c *connection) call(ctx context.Context, f func(context.Context, grpc.ClientConnInterface) error) error {
	if c.server != "" {
		conn, err := restconn.New(c.server, c.program.env("ESMON_TOKEN", ""), &http.Client{})
		if err != nil {
			return usage("%w", err)
		}
		return f(ctx, conn)
	}
	conn, err := app.DialControl(ctx, c.dataDir)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the answer is in
	return f(ctx, conn)
}
