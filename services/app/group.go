package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// part is a long-lived part of the platform. run blocks until its context ends
// and it has drained.
type part struct {
	name string
	run  func(context.Context) error
}

// running is a part that was started.
type running struct {
	part
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	err    error         // of run; read after done
}

// group runs parts and stops them in the reverse of their order.
type group struct {
	log    *slog.Logger
	limit  time.Duration // for stopping all of them
	parts  []*running
	failed chan *running // receives each part that ended
}

// runGroup runs the parts until ctx ends or one of them fails, then stops them one
// after the other, the last first, all within the limit.
func runGroup(ctx context.Context, parts []part, limit time.Duration, log *slog.Logger) error {
	g := &group{log: log, limit: limit, failed: make(chan *running, len(parts))}
	for _, p := range parts {
		g.start(context.WithoutCancel(ctx), p)
	}
	var cause error
	select {
	case <-ctx.Done():
		log.Info("told to stop, draining")
	case r := <-g.failed:
		cause = r.failure()
		log.Info("stopping, because a part ended", "part", r.name)
	}
	return errors.Join(cause, g.stop())
}

func (g *group) start(ctx context.Context, p part) {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{part: p, cancel: cancel, done: make(chan struct{})}
	g.parts = append(g.parts, r)
	go func() {
		r.err = p.run(ctx)
		close(r.done)
		g.failed <- r
	}()
}

// failure says why a part ended that nobody asked to end.
func (r *running) failure() error {
	if r.err == nil {
		return fmt.Errorf("%s ended by itself", r.name)
	}
	return fmt.Errorf("%s: %w", r.name, r.err)
}

func (g *group) stop() error {
	deadline := time.NewTimer(g.limit)
	defer deadline.Stop()
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		r := g.parts[i]
		ended := r.ended() // before it was asked to: reported already
		r.cancel()
		select {
		case <-r.done:
			if r.err != nil && !ended {
				errs = append(errs, fmt.Errorf("stop %s: %w", r.name, r.err))
			}
		case <-deadline.C:
			// The rest is told as well, but not waited for: the data is safe in
			// the log, and an operator waits.
			for _, rest := range g.parts[:i] {
				rest.cancel()
			}
			return errors.Join(append(errs, fmt.Errorf("stop %s: not done within %s (setting stop_timeout)", r.name, g.limit))...)
		}
		g.log.Debug("stopped", "part", r.name)
	}
	return errors.Join(errs...)
}

func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}
