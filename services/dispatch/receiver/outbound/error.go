package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Error is why a receiver did not take a message.
type Error struct {
	// Permanent says that the same message would be refused again.
	Permanent bool
	// RetryAfter is how long the service asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// Status is what the service answered, such as 429 Too Many Requests; empty if
	// there was no answer.
	Status string
	// Err says what was attempted and what to do. It has no secrets in it.
	Err error
}

// Error returns the message and the answer.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Status
	case e.Status == "":
		return e.Err.Error()
	}
	return e.Err.Error() + " (" + e.Status + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent returns an error that trying again does not help.
func Permanent(format string, args ...any) *Error {
	return &Error{Permanent: true, Err: fmt.Errorf(format, args...)}
}

// Temporary returns an error that trying again may help.
func Temporary(format string, args ...any) *Error {
	return &Error{Err: fmt.Errorf(format, args...)}
}

// Retryable tells whether a request with that answer may be sent again.
func Retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// maxRetryAfter bounds what a service may ask for.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads the header of that name, in seconds or as a date.
func RetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if !(seconds > 0) { // not a number, too
			return 0
		}
		wait = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// Unreachable returns the error of a request that got no answer. The URL, which may be
// a secret, is left out of it. One that the caller itself ended is returned as it is.
func Unreachable(ctx context.Context, host string, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("call %s: %w", host, context.Canceled)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return Temporary("%s did not answer in time; raise the receiver's timeout if it is known to be slow", host)
	}
	return Temporary("call %s: %w", host, err)
}
