package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/esolutions/esmon/services/fault"
)

// PrometheusPath is where the internal port of a storage node has the Prometheus
// HTTP API.
const PrometheusPath = "/prometheus/api/v1"

// passedOn are the headers of a request that a node gets to see. What a browser or a
// program proves itself with is not among them, nor is anything that only this
// process may say to a node.
var passedOn = []string{"Accept", "Content-Type", "User-Agent"}

// Proxy returns the Prometheus HTTP API as the storage nodes answer it. It sees
// paths without /api/v1 and what is before it.
func (s *Storage) Proxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:      rewrite,
		Transport:    transport{s},
		ErrorHandler: s.refuse,
		ErrorLog:     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := s.keepBody(w, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		again := *r
		again.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		again.Body, again.ContentLength, again.TransferEncoding = http.NoBody, int64(len(body)), nil
		proxy.ServeHTTP(w, &again)
	})
}

// keepBody reads the request's body into memory.
func (s *Storage) keepBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBodyBytes))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.Invalid, reasonBody,
			"the request's body has more than %d bytes; the limit for this API is %d, the setting route.max_body_bytes", tooLarge.Limit, s.cfg.MaxBodyBytes)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, reasonBody, "the request's body cannot be read to its end; send it again")
	}
	return body, nil
}

func rewrite(r *httputil.ProxyRequest) {
	r.SetURL(&url.URL{Scheme: "https", Path: PrometheusPath}) // the host is set for each attempt
	r.Out.URL.RawQuery = r.In.URL.RawQuery                    // what cannot be read is for the node to refuse
	r.Out.Header = http.Header{}
	for _, name := range passedOn {
		if values := r.In.Header.Values(name); len(values) > 0 {
			r.Out.Header[name] = values
		}
	}
	r.Out.Header.Set("Accept-Encoding", "identity") // what goes outside is compressed here
	// All that this API does is read, POST requests included: a connection that the
	// node closed meanwhile is replaced. It is not sent.
	r.Out.Header["Idempotency-Key"] = nil
}

// The reason and the errorType of what goes wrong before a node has answered.
const reasonBody = "request_body"

var errorTypes = map[fault.Kind]struct {
	errorType string
	status    int
}{
	fault.Invalid:     {"bad_data", http.StatusBadRequest},
	fault.Unavailable: {"unavailable", http.StatusServiceUnavailable},
}

// refuse answers as Prometheus does when no node did.
func (s *Storage) refuse(w http.ResponseWriter, r *http.Request, err error) {
	body := struct {
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}{"error", "internal", "internal error"}
	code := http.StatusInternalServerError
	f, ok := errors.AsType[*fault.Error](err)
	form, known := errorTypes[fault.KindOf(err)]
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		body.ErrorType, body.Error, code = "timeout", "storage did not answer in the time that the request may take; ask for less time or fewer series", http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		body.ErrorType, body.Error, code = "canceled", "the request was given up before its answer was there", statusClientClosed
	case ok && known:
		body.ErrorType, body.Error, code = form.errorType, f.Message, form.status
	default:
		s.log.ErrorContext(r.Context(), "request to storage failed", "path", r.URL.Path, "error", err)
	}
	text, err := json.Marshal(body)
	if err != nil { // a struct of strings always marshals
		text = fmt.Appendf(nil, "%q", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client may be gone; there is nobody left to tell
}
