package uplink

import (
	"context"
	"fmt"
	"sync"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// inbox holds what was received until the sending goroutine looks. It takes as
// much as comes, so that the server never waits for a sender that waits for the
// server; the window bounds how much that can be.
type inbox struct {
	ready chan struct{}
	ended chan struct{} // closed with err set

	mu   sync.Mutex // guards what follows
	acks []*ingestv1.Ack
	err  error
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (i *inbox) fill(stream clientStream) {
	for {
		resp, err := stream.Recv()
		i.mu.Lock()
		if err != nil {
			i.err = fmt.Errorf("the stream ended: %w", err)
		} else if a := resp.GetAck(); a != nil {
			i.acks = append(i.acks, a)
		}
		i.mu.Unlock()
		select {
		case i.ready <- struct{}{}:
		default: // signalled already
		}
		if err != nil {
			close(i.ended)
			return
		}
	}
}

func (i *inbox) take() ([]*ingestv1.Ack, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	acks := i.acks
	i.acks = nil
	return acks, i.err
}

// wait waits until the stream has ended. Then take returns all that came, and why
// it ended.
func (i *inbox) wait(ctx context.Context) error {
	select {
	case <-i.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
