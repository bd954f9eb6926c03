package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// errorAnswer is the body of every error under /api. The OpenAPI document has it as
// Error.
type errorAnswer struct {
	Code    codes.Code `json:"code"`    // number of the gRPC status
	Kind    string     `json:"kind"`    // who can act on it: invalid, not_found, …
	Reason  string     `json:"reason"`  // stable id
	Message string     `json:"message"` // what, where and what to do
}

var codeOfKind = map[string]codes.Code{
	fault.Internal.String():        codes.Internal,
	fault.Invalid.String():         codes.InvalidArgument,
	fault.NotFound.String():        codes.NotFound,
	fault.Conflict.String():        codes.AlreadyExists,
	fault.Denied.String():          codes.PermissionDenied,
	fault.Unauthenticated.String(): codes.Unauthenticated,
	fault.Exhausted.String():       codes.ResourceExhausted,
	fault.Unavailable.String():     codes.Unavailable,
}

func errorBody(kind, reason, message string) []byte {
	// Strings and a number always encode.
	b, _ := json.Marshal(errorAnswer{Code: codeOfKind[kind], Kind: kind, Reason: reason, Message: message})
	return append(b, '\n')
}

func writeError(w http.ResponseWriter, code int, kind, reason, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(code)
	_, _ = w.Write(errorBody(kind, reason, message)) // the caller is gone, if it fails
}

func writeFault(w http.ResponseWriter, code int, f *fault.Error) {
	writeError(w, code, f.Kind.String(), f.Reason, f.Message)
}

// restError answers a REST call that failed.
func (g *Gateway) restError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if b, ok := r.Body.(*limitedBody); ok && b.exceeded {
		g.tooLarge(w)
		return
	} else if ok && b.wrong != nil {
		g.refuse(w, http.StatusBadRequest, b.wrong)
		return
	}
	f := fault.FromGRPC(err)
	if f.Reason == f.Kind.String() { // no service said it: the way there did
		f = g.transportFault(f)
	}
	writeFault(w, runtime.HTTPStatusFromCode(status.Code(err)), f)
}

// transportFault puts into words what gRPC itself says when a call does not reach
// a service or its answer does not come back.
func (g *Gateway) transportFault(f *fault.Error) *fault.Error {
	code := status.Code(f.Err)
	if code != codes.InvalidArgument {
		g.log.Debug("a call failed on its way", "code", code.String(), "err", f.Err)
	}
	switch code {
	case codes.InvalidArgument: // the generated code cannot read the request
		return fault.New(fault.Invalid, "request_invalid", "%s; /api/docs says what the call takes", f.Message)
	case codes.DeadlineExceeded:
		return fault.New(fault.Unavailable, "request_timeout",
			"the request took longer than %s, the setting http.request_timeout; ask for less at a time", g.cfg.RequestTimeout)
	case codes.Canceled:
		return fault.New(fault.Unavailable, "request_canceled", "the request was given up before its answer was there")
	case codes.Unavailable:
		return fault.New(fault.Unavailable, "platform_unavailable", "the part of the platform that answers this does not run now; try again in a moment, and see /readyz")
	case codes.ResourceExhausted:
		return fault.New(fault.Exhausted, "message_too_large", "the request or its answer is larger than the parts of the platform pass on; ask for less at a time, or send less")
	case codes.Unimplemented:
		return fault.New(fault.Invalid, "call_unimplemented", "this server does not offer the call; /api/v1/status says its version")
	}
	return fault.New(fault.Internal, fault.Internal.String(), "internal error; the server's log says more")
}

// routingError answers a call that no contract knows.
func (g *Gateway) routingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		writeNotAllowed(w, r, g.calls.methods(r.URL))
	case http.StatusNotFound:
		writeNotFound(w)
	default:
		writeError(w, http.StatusBadRequest, fault.Invalid.String(), "request_invalid", "the path cannot be read; /api/docs lists what there is")
	}
}

func writeNotFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, fault.NotFound.String(), "path_unknown", "there is nothing at this path; /api/docs lists what there is")
}

func writeNotAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeError(w, http.StatusMethodNotAllowed, fault.Invalid.String(), "method_not_allowed",
		"this path does not take "+quoteName(r.Method)+"; it takes "+strings.Join(allowed, ", "))
}
