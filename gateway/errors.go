package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// errorAnswer is the body of every error under /api: the contract's Status and
// what programs decide by.
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

// restError answers a REST call that failed.
func (g *Gateway) restError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if bodyExceeded(r) {
		g.tooLarge(w)
		return
	}
	f := fault.FromGRPC(err)
	writeError(w, runtime.HTTPStatusFromCode(status.Code(err)), f.Kind.String(), f.Reason, f.Message)
}

// routingError answers a call that no contract knows.
func (g *Gateway) routingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		writeError(w, http.StatusMethodNotAllowed, fault.Invalid.String(), "method_not_allowed",
			"the method "+r.Method+" does not go with this path; /api/docs lists what there is")
	case http.StatusNotFound:
		writeNotFound(w)
	default:
		writeError(w, http.StatusBadRequest, fault.Invalid.String(), "request_invalid", http.StatusText(code))
	}
}

func writeNotFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, fault.NotFound.String(), "path_unknown", "there is nothing at this path; /api/docs lists what there is")
}
