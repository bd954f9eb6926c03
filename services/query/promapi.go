package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

// promHandler answers one call of the Prometheus HTTP API. Errors are faults, or
// internal.
type promHandler func(r *http.Request) (*promResponse, error)

// promResponse is a successful answer.
type promResponse struct {
	data            func(w *jsonWriter)
	warnings, infos []string
	close           func() // frees what data writes from; may be nil
}

// plain is a response whose data is encoded in the standard way.
func plain(data any, warnings ...string) *promResponse {
	return &promResponse{data: func(w *jsonWriter) { w.value(data) }, warnings: warnings}
}

// PrometheusHandler returns the Prometheus HTTP API. It looks at the path from
// /api/v1/ on, or at all of it if that is not in it, so it works wherever it is
// mounted.
func (s *Service) PrometheusHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, h promHandler, methods ...string) {
		for _, m := range methods {
			mux.Handle(m+" "+path, s.serveProm(h))
		}
		mux.HandleFunc(path, notAllowed(methods))
	}
	get := func(path string, h promHandler) { handle(path, h, http.MethodGet) }
	getPost := func(path string, h promHandler) { handle(path, h, http.MethodGet, http.MethodPost) }
	getPost("/query", s.promQuery)
	getPost("/query_range", s.promQueryRange)
	getPost("/query_exemplars", s.promExemplars)
	getPost("/format_query", s.promFormat)
	getPost("/series", s.promSeries)
	getPost("/labels", s.promLabels)
	get("/label/{name}/values", s.promLabelValues)
	get("/metadata", s.promMetadata)
	get("/status/buildinfo", s.promBuildInfo)
	get("/status/runtimeinfo", s.promRuntimeInfo)
	get("/status/config", s.promConfig)
	get("/status/flags", s.promFlags)
	mux.HandleFunc("/", unknownPath)
	return fromVersion(mux)
}

// unknownPath answers for what of Prometheus' API is not here.
func unknownPath(w http.ResponseWriter, _ *http.Request) {
	writeProm(w, http.StatusNotFound, promError{ErrorType: "not_found",
		Error: "there is nothing at this path of the Prometheus HTTP API; there are query, query_range, series, labels, label/NAME/values, metadata and status/buildinfo"})
}

// notAllowed answers for other methods than a path takes.
func notAllowed(methods []string) http.HandlerFunc {
	allowed := strings.Join(append([]string{http.MethodHead}, methods...), ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		writeProm(w, http.StatusMethodNotAllowed, promError{ErrorType: "bad_data",
			Error: fmt.Sprintf("this path does not take the method %q; it takes %s", clip(r.Method), allowed)})
	}
}

// fromVersion hands requests on with the part of the path that follows /api/v1.
func fromVersion(next http.Handler) http.Handler {
	const base = "/api/v1"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, _, found := strings.Cut(r.URL.Path, base+"/")
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		http.StripPrefix(before+base, next).ServeHTTP(w, r)
	})
}

// maxFormBytes bounds the body of a request beyond the expression: the expression
// may be three times as long when every byte is escaped.
func (s *Service) maxFormBytes() int64 { return int64(3*s.cfg.MaxExprBytes) + 64<<10 }

func (s *Service) serveProm(h promHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, s.maxFormBytes())
		if err := s.readForm(r); err != nil {
			s.respondError(w, r, err)
			return
		}
		resp, err := h(r)
		if err != nil {
			s.respondError(w, r, err)
			return
		}
		s.respond(w, r, resp)
	})
}

// readForm reads the parameters. A body of another kind would be left unread, and
// the parameters in it would seem to be missing.
func (s *Service) readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return s.formError(err)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && r.ContentLength != 0 && (err != nil || kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data") {
		return badData("the body is %q by its header Content-Type; send the parameters as application/x-www-form-urlencoded, or behind ? in the address", clip(r.Header.Get("Content-Type")))
	}
	return nil
}

func (s *Service) formError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.Invalid, reasonTooLong, "the request's body has more than %d bytes; expressions are limited by query.max_expr_bytes", s.maxFormBytes())
	}
	return badData("error parsing form values: %s", err)
}

// respond writes a success. Short answers are written after what they were made
// from is freed, long ones as they are made, under a deadline, so that a slow
// reader does not keep a query's turn and memory for long.
func (s *Service) respond(w http.ResponseWriter, r *http.Request, resp *promResponse) {
	release := resp.release()
	defer release()
	w.Header().Set("Content-Type", "application/json")
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.cfg.Timeout))  // not every writer has one
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }() // the connection lives on
	out := &jsonWriter{to: w}
	out.raw(`{"status":"success","data":`)
	resp.data(out)
	for _, list := range []struct {
		name  string
		texts []string
	}{{"warnings", resp.warnings}, {"infos", resp.infos}} {
		if len(list.texts) > 0 {
			out.raw(`,"` + list.name + `":`)
			out.value(list.texts)
		}
	}
	out.raw(`}`)
	if !out.flushed {
		release()
	}
	out.flush()
	if out.err != nil {
		s.log.DebugContext(r.Context(), "answer not delivered", "path", r.URL.Path, "error", out.err)
	}
}

// release returns a function that frees the response's memory when first called.
func (p *promResponse) release() func() {
	return func() {
		if p.close != nil {
			p.close()
			p.close = nil
		}
	}
}

// promError is the body of a refusal.
type promError struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
}

func (s *Service) respondError(w http.ResponseWriter, r *http.Request, err error) {
	s.metrics.failed(err)
	body := promError{ErrorType: "internal", Error: "internal error"}
	status := http.StatusInternalServerError
	f, ok := errors.AsType[*fault.Error](err)
	if form, known := promForms[fault.ReasonOf(err)]; ok && known {
		body.ErrorType, body.Error, status = form.errorType, f.Message, form.status
	} else {
		s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	}
	writeProm(w, status, body)
}

// writeProm writes a refusal.
func writeProm(w http.ResponseWriter, status int, body promError) {
	body.Status = "error"
	text, err := json.Marshal(body)
	if err != nil { // a struct of strings always marshals
		text = fmt.Appendf(nil, "%q", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may be gone; there is nobody left to tell
}
