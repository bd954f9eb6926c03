package service

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// with calls f with the service.
func with(f func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("connect to the service manager (as an administrator?): %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(Name)
	if err != nil {
		return fmt.Errorf("open the service %s: %w", Name, err)
	}
	defer func() { _ = s.Close() }()
	return f(s)
}

// Install registers the service: it starts with the system, and again after it
// failed.
func Install(_ context.Context, s Spec) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("connect to the service manager (as an administrator?): %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	service, err := m.CreateService(Name, s.Executable, mgr.Config{
		DisplayName: "esmon agent", Description: description, StartType: mgr.StartAutomatic, DelayedAutoStart: true,
	}, s.arguments()...)
	if err != nil {
		return fmt.Errorf("create the service %s: %w", Name, err)
	}
	defer func() { _ = service.Close() }()
	// Without the source the events show a note that its texts are missing.
	if err := eventlog.InstallAsEventCreate(Name, eventlog.Error|eventlog.Warning|eventlog.Info); err != nil {
		return fmt.Errorf("register with the event log: %w", err)
	}
	restart := []mgr.RecoveryAction{
		{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
		{Type: mgr.ServiceRestart, Delay: time.Minute},
	}
	if err := service.SetRecoveryActions(restart, uint32((24 * time.Hour).Seconds())); err != nil {
		return fmt.Errorf("set what happens after a failure: %w", err)
	}
	if err := service.SetRecoveryActionsOnNonCrashFailures(true); err != nil {
		return fmt.Errorf("set what happens after a failure: %w", err)
	}
	return nil
}

// Uninstall stops the service and removes it. The state directory stays.
func Uninstall(ctx context.Context) error {
	if err := Stop(ctx); err != nil {
		return err
	}
	return with(func(s *mgr.Service) error {
		if err := s.Delete(); err != nil {
			return fmt.Errorf("delete the service: %w", err)
		}
		if err := eventlog.Remove(Name); err != nil {
			return fmt.Errorf("remove from the event log: %w", err)
		}
		return nil
	})
}

// Start starts the service.
func Start(context.Context) error {
	return with(func(s *mgr.Service) error {
		if err := s.Start(); err != nil {
			return fmt.Errorf("start the service: %w", err)
		}
		return nil
	})
}

// Stop stops the service and waits until it has; the agent drains.
func Stop(ctx context.Context) error {
	return with(func(s *mgr.Service) error {
		status, err := s.Query()
		if err == nil && status.State == svc.Stopped {
			return nil
		}
		if status, err = s.Control(svc.Stop); err != nil {
			return fmt.Errorf("stop the service: %w", err)
		}
		for deadline := time.Now().Add(stopTimeout); status.State != svc.Stopped; {
			if time.Now().After(deadline) || ctx.Err() != nil {
				return fmt.Errorf("the service has not stopped within %s", stopTimeout)
			}
			time.Sleep(200 * time.Millisecond)
			if status, err = s.Query(); err != nil {
				return fmt.Errorf("ask whether the service has stopped: %w", err)
			}
		}
		return nil
	})
}
