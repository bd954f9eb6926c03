package receivertest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Sink is an HTTP server that keeps what it got and answers as it is told.
type Sink struct {
	*httptest.Server

	mu       sync.Mutex
	requests []Request
	answers  []Answer
}

// Request is what the sink got.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// Answer is how the sink answers.
type Answer struct {
	Status int // 0: never, until the caller gives up
	Header map[string]string
	Body   string
	Reset  bool // the connection is reset instead
}

// NewSink starts a sink that gives the answers one after the other, the last one again
// and again; 200 if there are none.
func NewSink(t *testing.T, answers ...Answer) *Sink {
	t.Helper()
	s := &Sink{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// NewTLSSink starts one that speaks TLS with a certificate of its own.
func NewTLSSink(t *testing.T, answers ...Answer) *Sink {
	t.Helper()
	s := &Sink{answers: answers}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// Requests returns what the sink got so far.
func (s *Sink) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Bodies returns the bodies of what the sink got so far.
func (s *Sink) Bodies() [][]byte {
	var all [][]byte
	for _, r := range s.Requests() {
		all = append(all, r.Body)
	}
	return all
}

func (s *Sink) take(r Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if len(s.answers) == 0 {
		return Answer{Status: http.StatusOK, Body: "ok"}
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return a
}

// ServeHTTP implements http.Handler.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a := s.take(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header, Body: body})
	switch {
	case a.Reset:
		reset(w)
		return
	case a.Status == 0:
		<-r.Context().Done()
		return
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
