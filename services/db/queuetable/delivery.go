package queuetable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// delivery is a message that was taken.
type delivery struct {
	q     *Queue
	row   Row
	claim int64

	mu       sync.Mutex // guards answered, and has one answer at a time
	answered bool
}

// errAnswered is returned for all answers but the first that succeeds.
var errAnswered = errors.New("the message has its answer already")

// Message implements bus.Delivery.
func (d *delivery) Message() bus.Message { return bus.Message{ID: d.row.ID, Body: d.row.Body} }

// Tries implements bus.Delivery.
func (d *delivery) Tries() int { return d.row.Tries }

// Done implements bus.Delivery.
func (d *delivery) Done(ctx context.Context) error {
	return d.answer("delete", func() (bool, error) { return d.q.table.Done(ctx, d.row.ID, d.claim) })
}

// Retry implements bus.Delivery.
func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	return d.answer("try again", func() (bool, error) { return d.q.table.Retry(ctx, d.row.ID, d.claim, max(0, after)) })
}

// Bury implements bus.Delivery.
func (d *delivery) Bury(ctx context.Context, reason string) error {
	return d.answer("bury", func() (bool, error) {
		return d.q.table.Bury(ctx, d.row.ID, d.claim, harmless(reason), d.q.cfg.KeepDead)
	})
}

func (d *delivery) answer(what string, change func() (bool, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answered {
		return fmt.Errorf("%s message %s: %w", what, d.row.ID, errAnswered)
	}
	if d.q.isClosed() {
		return fmt.Errorf("%s message %s: %w", what, d.row.ID, bus.ErrClosed)
	}
	held, err := change()
	if err != nil {
		return fmt.Errorf("%s message %s: %w", what, d.row.ID, err)
	}
	d.answered = held
	d.q.forget(d.claim)
	d.q.signal() // it may be ready again
	if !held {
		return fmt.Errorf("%s message %s: %w", what, d.row.ID, ErrLost)
	}
	return nil
}

// maxReason is how many bytes of a reason are kept.
const maxReason = 2 * bus.MaxReason

// harmless makes of a reason a text that every database takes.
func harmless(reason string) string {
	reason = strings.ReplaceAll(reason[:min(len(reason), maxReason)], "\x00", "\uFFFD")
	return strings.ToValidUTF8(reason, "\uFFFD")
}
