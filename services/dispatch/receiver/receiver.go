package receiver

import (
	"context"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
)

// Receiver tells a message to people or to another system.
type Receiver interface {
	// Send returns nil once the message is taken. Every other error than that of a
	// context which was cancelled is an [*Error]. A message may be sent again after an
	// error: what the service has taken of it is not sent twice where that can be known.
	// Many messages may be sent at a time, but one only once at a time.
	Send(ctx context.Context, m *alert.Message) error
}

// Error is why a message was not taken.
type Error = outbound.Error
