//go:build !linux && !darwin && !windows

package service

import "context"

// Install returns ErrUnsupported.
func Install(context.Context, Spec) error { return ErrUnsupported }

// Uninstall returns ErrUnsupported.
func Uninstall(context.Context) error { return ErrUnsupported }

// Start returns ErrUnsupported.
func Start(context.Context) error { return ErrUnsupported }

// Stop returns ErrUnsupported.
func Stop(context.Context) error { return ErrUnsupported }
