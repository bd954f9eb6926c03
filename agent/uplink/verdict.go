package uplink

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/services/mtls"
)

// outcome is how a stream ended.
type outcome struct {
	err    error // as enrol.Explain words it; nil after the agent's stop
	cause  error // the same, not yet explained
	opened bool  // the collector said welcome
	steady bool  // it carried data for some time
}

// verdict is what the end of a stream, or of an attempt, means for the next.
type verdict int

const (
	nextOne           verdict = iota // another collector may do better
	sameAgain                        // the agent wants a new stream
	goElsewhere                      // the collector wants the agent to go
	tooLarge                         // a batch was too large and is split now
	noBetterElsewhere                // every other would do the same: wait
	refusedForAll                    // likewise, and somebody must act
)

// Reasons with which a collector ends a stream, or opens none, that are no
// failure of it.
var (
	leaveReasons = []string{"shutting_down", "draining", "rebalance", "definitions_renew"}
	waitReasons  = []string{"superseded", "connects_too_often"}
)

// judge returns the verdict on what ended a stream: cause as it came, err as it is
// explained to people.
func judge(cause, err error) (verdict, *forGood) {
	_, peer := errors.AsType[*collectors.PeerError](cause)
	_, large := errors.AsType[*largeError](cause)
	_, own := errors.AsType[*ownError](cause)
	switch reason := reasonOf(cause); {
	case errors.Is(cause, errRecycle):
		return sameAgain, nil
	case errors.Is(cause, errAway), slices.Contains(leaveReasons, reason), goneAway(cause):
		return goElsewhere, nil
	case large:
		return tooLarge, nil
	case peer:
		return nextOne, nil
	case own, slices.Contains(waitReasons, reason):
		return noBetterElsewhere, nil
	}
	if refusal := refusedForGood(err); refusal != nil {
		return refusedForAll, refusal
	}
	return nextOne, nil
}

// reasonOf returns the reason id in a status, "" if there is none.
func reasonOf(err error) string {
	s, _ := status.FromError(err)
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// goneAway tells whether the connection ended after the server had said that it
// would (GOAWAY without an error): that is only in the text.
func goneAway(err error) bool {
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Unavailable && strings.Contains(s.Message(), "received prior goaway: code: NO_ERROR")
}

// saidTooLarge tells whether the server ended the stream because of the size of a
// message, and whether it said so itself: then what came before was answered. If
// the message is beyond what gRPC takes, gRPC says it, and at once.
func saidTooLarge(err error) (is, itself bool) {
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.ResourceExhausted {
		return false, false
	}
	if reasonOf(err) == reasonTooLarge {
		return true, true
	}
	return strings.Contains(s.Message(), "larger than max"), false
}

// reasonTooLarge is the reason of a message that the server does not take.
const reasonTooLarge = "message_too_large"

// largeError ends a stream of which a batch was too large; it was split.
type largeError struct{ error }

// Unwrap returns what the server said.
func (e *largeError) Unwrap() error { return e.error }

// ownError is a failure of this host, such as of its disk: no collector can help.
type ownError struct{ error }

// Unwrap returns the failure.
func (e *ownError) Unwrap() error { return e.error }

// own marks a failure of this host.
func own(err error) error {
	if err == nil {
		return nil
	}
	return &ownError{err}
}

// forGood is a refusal that trying again does not change: somebody must act.
type forGood struct{ reason, message string }

// refusedForGood tells whether the error means that this identity is accepted no
// more.
func refusedForGood(err error) *forGood {
	if r, ok := errors.AsType[*mtls.Refusal](err); ok {
		switch r.Reason {
		case mtls.ReasonExpired, mtls.ReasonRejected, mtls.ReasonUnknownCA, mtls.ReasonRevoked, mtls.ReasonIdentity:
			return &forGood{r.Reason, r.Message}
		}
		return nil
	}
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.PermissionDenied && s.Code() != codes.Unauthenticated && s.Code() != codes.NotFound {
		return nil
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return &forGood{info.GetReason(), s.Message()}
		}
	}
	return nil
}

// explain words what ended a stream.
func explain(err error) error {
	if err == nil || errors.Is(err, errRecycle) || errors.Is(err, errAway) {
		return err
	}
	return enrol.Explain(err)
}

// failure is that of one collector, for the log.
type failure struct {
	server  string
	err     error
	lasting bool
}

// Error names the collector.
func (f *failure) Error() string { return f.server + ": " + f.err.Error() }

// Unwrap returns the failure alone.
func (f *failure) Unwrap() error { return f.err }

// lasting tells whether the collector could not prove what it is, and a person
// must mend that. A certificate that is not valid yet is none: the clock may be
// set any moment.
func lasting(o outcome) bool {
	_, peer := errors.AsType[*collectors.PeerError](o.cause)
	return peer && refusedForGood(o.err) != nil
}

func allLasting(faults []error) bool {
	return !slices.ContainsFunc(faults, func(err error) bool {
		f, ok := errors.AsType[*failure](err)
		return !ok || !f.lasting
	})
}
