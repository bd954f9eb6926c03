package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand asks a process how it is, for supervisors of containers that have
// no other program in them to ask with.
func healthCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit 0 if the process that listens on --http is ready, else say why not and exit 1",
		Args:  noArgs,
	}
	address := cmd.Flags().String("http", p.env("ESMON_HTTP_ADDRESS", "127.0.0.1:8080"), "where it listens ($ESMON_HTTP_ADDRESS)")
	alive := cmd.Flags().Bool("alive", false, "ask only whether it answers at all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/readyz"
		if *alive {
			path = "/healthz"
		}
		return askHealth(cmd.Context(), "http://"+*address+path)
	}
	return cmd
}

func askHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usage("--http: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
