// Package fault is how errors are classified everywhere in the platform: a kind
// that says who can act on it, and a stable reason id that programs can match.
//
// Code that knows the cause makes a fault with [New] or [Wrap]; code in between
// wraps it with %w as any error; the edge of the process, [GRPC] and the
// interceptors in this package, turns it into a gRPC status. What is no fault is
// internal: callers see "internal error", the log has the rest.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is.
type Kind int

// The kinds of failures. The zero value is Internal, so that an error nobody
// classified never shows more than it should.
const (
	Internal        Kind = iota // a fault of the platform itself
	Invalid                     // the request is wrong; the same request never succeeds
	NotFound                    // the thing named does not exist
	Conflict                    // it clashes with what is there now
	Denied                      // the caller is known and may not do this
	Unauthenticated             // the caller did not prove who it is
	Exhausted                   // a limit or quota was reached; later it may work
	Unavailable                 // something needed is away; try again
)

var kindNames = [...]string{"internal", "invalid", "not_found", "conflict", "denied", "unauthenticated", "exhausted", "unavailable"}

// String returns the kind as metrics label it.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[Internal]
	}
	return kindNames[k]
}

// Error is a classified error.
type Error struct {
	Kind    Kind
	Reason  string // stable id, such as token_expired
	Message string // what, where and what to do; shown to the caller
	Err     error  // the cause, for the log; never shown to the caller; may be nil
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns a fault whose message is formatted from its arguments.
func New(kind Kind, reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Wrap classifies err. The message is for the caller, err for the log.
func Wrap(err error, kind Kind, reason, message string) *Error {
	return &Error{Kind: kind, Reason: reason, Message: message, Err: err}
}

// KindOf returns the kind of the first fault in err's chain; Internal if there
// is none. A context that ended is Unavailable: the caller went away or gave up.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Internal
}

// ReasonOf returns the reason of the first fault in err's chain, "internal" if
// there is none.
func ReasonOf(err error) string {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Reason
	}
	return Internal.String()
}
