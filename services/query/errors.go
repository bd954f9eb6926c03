package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"

	"github.com/prometheus/prometheus/promql"

	"github.com/esolutions/esmon/services/fault"
)

// The reasons of this package's faults.
const (
	reasonInvalid      = "query_invalid"  // malformed expression or parameter
	reasonTooLong      = "query_too_long" // the text exceeds a limit
	reasonRegex        = "query_regex_too_large"
	reasonTooCostly    = "query_too_costly"
	reasonFailed       = "query_failed" // well formed, but cannot be evaluated
	reasonSeries       = "query_too_many_series"
	reasonSamples      = "query_too_many_samples"
	reasonTooMany      = "query_too_many"
	reasonTimeout      = "query_timeout"
	reasonCanceled     = "query_canceled"
	reasonNotFound     = "not_found"
	reasonInternal     = "query_internal"
	statusClientClosed = 499 // as Prometheus answers when the client went away
)

// promForms says how Prometheus shows each reason: its errorType and the status
// of the HTTP answer.
var promForms = map[string]struct {
	errorType string
	status    int
}{
	reasonInvalid:   {"bad_data", http.StatusBadRequest},
	reasonTooLong:   {"bad_data", http.StatusBadRequest},
	reasonRegex:     {"bad_data", http.StatusBadRequest},
	reasonTooCostly: {"bad_data", http.StatusBadRequest},
	reasonFailed:    {"execution", http.StatusUnprocessableEntity},
	reasonSeries:    {"execution", http.StatusUnprocessableEntity},
	reasonSamples:   {"execution", http.StatusUnprocessableEntity},
	reasonTooMany:   {"too_many_requests", http.StatusTooManyRequests},
	reasonTimeout:   {"timeout", http.StatusServiceUnavailable},
	reasonCanceled:  {"canceled", statusClientClosed},
	reasonNotFound:  {"not_found", http.StatusNotFound},
}

// invalidParameter is the error for a request's parameter that makes no sense,
// worded as Prometheus words it.
func invalidParameter(name string, err error) error {
	return fault.New(fault.Invalid, reasonInvalid, "invalid parameter %q: %s", name, err)
}

func badData(format string, args ...any) error {
	return fault.New(fault.Invalid, reasonInvalid, format, args...)
}

// classify turns what the engine returned into a fault. deadline describes the
// time limit in force, for the message of a timeout.
func (s *Service) classify(err error, deadline string) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if _, ok := errors.AsType[promql.ErrTooManySamples](err); ok {
		return fault.New(fault.Invalid, reasonSamples, "%s; the limit is %d samples, set by query.max_samples; ask for less time, fewer series or a longer step", err, s.cfg.MaxSamples)
	}
	if isTimeout(err) {
		return fault.New(fault.Unavailable, reasonTimeout, "%s; the limit is %s", timeoutText(err), deadline)
	}
	if _, ok := errors.AsType[promql.ErrQueryCanceled](err); ok || errors.Is(err, context.Canceled) {
		return fault.Wrap(context.Canceled, fault.Unavailable, reasonCanceled, "the query was canceled")
	}
	if _, ok := errors.AsType[runtime.Error](err); ok {
		return fault.Wrap(err, fault.Internal, reasonInternal, "internal error")
	}
	return fault.New(fault.Invalid, reasonFailed, "%s", err)
}

func isTimeout(err error) bool {
	_, ok := errors.AsType[promql.ErrQueryTimeout](err)
	return ok || errors.Is(err, context.DeadlineExceeded)
}

func timeoutText(err error) string {
	if t, ok := errors.AsType[promql.ErrQueryTimeout](err); ok {
		return t.Error()
	}
	return promql.ErrQueryTimeout("expression evaluation").Error()
}

// sourceError classifies an error of the source: what ended with the context stays
// recognizable as such, and the rest is the platform's own failure.
func sourceError(ctx context.Context, err error, attempted string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fmt.Errorf("%s: %w", attempted, err), fault.Internal, reasonInternal, "internal error")
}
