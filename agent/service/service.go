package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Name is what the service is called everywhere.
const Name = "esmon-agent"

const description = "esmon agent: measures this host and sends what it measured to the eSolutions Monitoring Platform"

// Spec says what is to run as the service.
type Spec struct {
	Executable string // absolute path
	Config     string // absolute path of the configuration file; may be empty
	StateDir   string // absolute path
}

// arguments are those of the service's process.
func (s Spec) arguments() []string {
	args := []string{"run", "--state-dir", s.StateDir}
	if s.Config != "" {
		args = append(args, "--config", s.Config)
	}
	return args
}

// ErrUnsupported is returned where there is no service manager that is known.
var ErrUnsupported = errors.New("services are supported with systemd, Windows and launchd; start `esmon-agent run` by what this system has")

// command runs a tool of the operating system and returns what it said if it
// failed.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // fixed tools, our own arguments
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
