package platform

import (
	"context"
	"fmt"
	"time"
)

// Eventually returns nil as soon as f does; when ctx ends before, what f said last.
func Eventually(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
