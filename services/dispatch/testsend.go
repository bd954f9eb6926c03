package dispatch

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

// maxTests is how many tests run at a time.
const maxTests = 4

// Test sends a message to a receiver at once, past the outbox and the gate, and returns
// how that went. An error says that it was not attempted. A message without an ID, a
// kind or a time gets one.
func (d *Dispatch) Test(ctx context.Context, name string, m *alert.Message) (alert.Attempt, error) {
	t, ok := d.deps.Receivers()[name]
	if !ok {
		return alert.Attempt{}, fault.New(fault.NotFound, "receiver_unknown", "there is no receiver %q", name)
	}
	select {
	case d.testing <- struct{}{}:
		defer func() { <-d.testing }()
	case <-ctx.Done():
		return alert.Attempt{}, fmt.Errorf("test receiver %s: %w", name, ctx.Err())
	}
	one := *m
	one.Receiver = name
	if one.ID == "" {
		one.ID = "test-" + rand.Text()
	}
	if one.Kind == "" {
		one.Kind = alert.MessageTest
	}
	if one.Time == 0 {
		one.Time = d.deps.Now().UnixMilli()
	}
	a, err := d.send(ctx, &t, &one, d.timeout(&t))
	if err != nil && ctx.Err() != nil {
		return a, fmt.Errorf("test receiver %s: %w", name, ctx.Err())
	}
	return a, nil
}
