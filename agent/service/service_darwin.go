package service

import (
	"context"
	"errors"
	"fmt"
	"os"
)

const plistFile = "/Library/LaunchDaemons/" + launchdLabel + ".plist"

// Install writes the description of the daemon; it starts with the system.
func Install(_ context.Context, s Spec) error {
	if err := os.MkdirAll(s.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := os.WriteFile(plistFile, []byte(launchdPlist(s)), 0o644); err != nil { //nolint:gosec // launchd wants it readable
		return fmt.Errorf("write the daemon's description: %w", err)
	}
	return nil
}

// Uninstall stops the daemon and removes it. The state directory stays.
func Uninstall(ctx context.Context) error {
	_ = Stop(ctx) // it may not be loaded
	if err := os.Remove(plistFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the daemon's description: %w", err)
	}
	return nil
}

// Start loads the daemon.
func Start(ctx context.Context) error {
	return command(ctx, "launchctl", "bootstrap", "system", plistFile)
}

// Stop unloads the daemon; the agent drains.
func Stop(ctx context.Context) error {
	return command(ctx, "launchctl", "bootout", "system/"+launchdLabel)
}
