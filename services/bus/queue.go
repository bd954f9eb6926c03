package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Queue hands messages to workers, each to one of them at a time, at least once. The
// embedded one is a table of the database, RabbitMQ's is a quorum queue.
//
// Messages come about in the order in which they were put, but one that is tried
// again does not hold up those behind it: who needs an order keeps it himself, and
// asks for a message again later.
type Queue interface {
	// Put adds a message and returns once it is durable. It keeps nothing of m. An
	// error means that it may or may not be in the queue: putting it again must be
	// harmless, and may have it delivered twice. A message whose ID is in the queue
	// already may be left out. It refuses what [Message.Check] refuses.
	Put(ctx context.Context, m Message) error
	// Take waits for a message until ctx ends. No other worker gets it until one of
	// the methods of Delivery is called, the worker dies, or it is kept for longer
	// than the queue's hold time; then it comes again.
	Take(ctx context.Context) (Delivery, error)
	// Dead returns up to limit messages that were buried, oldest first, and leaves
	// them there.
	Dead(ctx context.Context, limit int) ([]DeadMessage, error)
	// Close ends what waits, with ErrClosed. What was taken and not answered comes
	// again.
	Close() error
}

// Limits of messages, the same for every queue.
const (
	MaxID   = 200
	MaxBody = 2 << 20
)

// Message is what a queue carries.
type Message struct {
	ID   string // 1 to MaxID bytes, UTF-8 without NUL
	Body []byte // any bytes, up to MaxBody
}

// Check returns why no queue takes the message, nil if they do: it wraps ErrTooLarge
// or ErrBadID.
func (m *Message) Check() error {
	switch {
	case m.ID == "" || !utf8.ValidString(m.ID) || strings.ContainsRune(m.ID, 0):
		return fmt.Errorf("%w: %q", ErrBadID, m.ID)
	case len(m.ID) > MaxID:
		return fmt.Errorf("%w: its ID has %d bytes, the limit is %d", ErrTooLarge, len(m.ID), MaxID)
	case len(m.Body) > MaxBody:
		return fmt.Errorf("%w: message %s has %d bytes, the limit is %d", ErrTooLarge, m.ID, len(m.Body), MaxBody)
	}
	return nil
}

// Delivery is a message that was taken. Exactly one of Done, Retry and Bury is called,
// once; until it returned nil the message may come again.
type Delivery interface {
	Message() Message
	// Tries returns how many times it was tried again before, by Retry or because a
	// worker died; it may be too low after the queue itself was restarted.
	Tries() int
	// Done deletes the message.
	Done(ctx context.Context) error
	// Retry has it come again after the time, about.
	Retry(ctx context.Context, after time.Duration) error
	// Bury puts it among the dead, with the reason. A crash while it does may leave it
	// among the dead and have it come again, too.
	Bury(ctx context.Context, reason string) error
}

// DeadMessage is a message that was given up.
type DeadMessage struct {
	Message

	Reason string
}

// ErrTooLarge is returned by Put for a message that the queue cannot take.
var ErrTooLarge = errors.New("the message is too large for the queue")

// ErrBadID is returned by Put for a message whose ID is empty, no UTF-8, or has a NUL
// in it.
var ErrBadID = errors.New("the message has no usable ID")

// MaxReason is how many bytes of the reason of a dead message are kept at least.
const MaxReason = 1000
