package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

const unitFile = "/etc/systemd/system/" + Name + ".service"

// Install writes the unit and enables it.
func Install(ctx context.Context, s Spec) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return ErrUnsupported
	}
	if err := os.MkdirAll(s.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := os.WriteFile(unitFile, []byte(systemdUnit(s)), 0o644); err != nil { //nolint:gosec // units are public
		return fmt.Errorf("write the unit: %w", err)
	}
	return errors.Join(command(ctx, "systemctl", "daemon-reload"), command(ctx, "systemctl", "enable", Name))
}

// Uninstall stops the service and removes it. The state directory stays.
func Uninstall(ctx context.Context) error {
	if err := command(ctx, "systemctl", "disable", "--now", Name); err != nil {
		return err
	}
	if err := os.Remove(unitFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the unit: %w", err)
	}
	return command(ctx, "systemctl", "daemon-reload")
}

// Start starts the service.
func Start(ctx context.Context) error { return command(ctx, "systemctl", "start", Name) }

// Stop stops the service; the agent drains.
func Stop(ctx context.Context) error { return command(ctx, "systemctl", "stop", Name) }
