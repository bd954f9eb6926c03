package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// stopTimeout is what the service manager is told that a stop may take.
const stopTimeout = 30 * time.Second

// Hosted tells whether the service manager started this process, and in that case
// runs it to its end. It must be the first thing in main: a service that does not
// answer within thirty seconds is killed, and a host that starts up is slow.
// A service has no standard error: run gets the event log instead.
func Hosted(run func(ctx context.Context, started func(), log io.Writer) error) (bool, error) {
	hosted, err := svc.IsWindowsService()
	if err != nil {
		return false, fmt.Errorf("ask whether this is a service: %w", err)
	}
	if !hosted {
		return false, nil
	}
	h := &handler{run: func(ctx context.Context, started func()) error {
		log, err := eventlog.Open(Name)
		if err != nil {
			return run(ctx, started, io.Discard) // measuring matters more
		}
		defer func() { _ = log.Close() }()
		if err = run(ctx, started, events{log}); err != nil {
			_ = log.Error(eventID, err.Error())
		}
		return err
	}}
	if err := svc.Run(Name, h); err != nil {
		return true, fmt.Errorf("run as a service: %w", err)
	}
	return true, h.err
}

// handler talks with the service manager.
type handler struct {
	run func(ctx context.Context, started func()) error
	err error
}

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	status <- svc.Status{State: svc.StartPending, WaitHint: uint32(stopTimeout.Milliseconds())}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- h.run(ctx, func() { close(started) }) }()
	for {
		select {
		case <-started:
			started = nil
			status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopTimeout.Milliseconds())}
				cancel()
			default: // nothing else was accepted
			}
		case h.err = <-ended:
			status <- svc.Status{State: svc.StopPending}
			if h.err != nil {
				return true, 1 // the recovery actions restart it
			}
			return false, 0
		}
	}
}

// eventID is the one event: what happened is in its text.
const eventID = 1

// events writes lines of the log as events.
type events struct{ log *eventlog.Log }

// Write implements io.Writer; slog writes one record at a time.
func (e events) Write(p []byte) (int, error) {
	write, text := e.log.Info, string(bytes.TrimSpace(p))
	switch {
	case bytes.Contains(p, []byte("level=ERROR")), bytes.Contains(p, []byte(`"level":"ERROR"`)):
		write = e.log.Error
	case bytes.Contains(p, []byte("level=WARN")), bytes.Contains(p, []byte(`"level":"WARN"`)):
		write = e.log.Warning
	}
	if err := write(eventID, text); err != nil {
		return 0, fmt.Errorf("write to the event log: %w", err)
	}
	return len(p), nil
}
