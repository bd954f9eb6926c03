package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/fault"
)

// loopbackHost tells whether a host, with or without a port, is this machine.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// checkHost refuses requests for other names than this machine's own. A page of a
// stranger can make its own name lead to 127.0.0.1 (DNS rebinding); then the
// browser takes us for that page's server, and only the name tells.
func (g *Gateway) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			g.refuse(w, http.StatusMisdirectedRequest, fault.New(fault.Denied, "host_not_local",
				"this server answers for localhost, 127.0.0.1 and [::1] only, not for the host you asked for"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errCrossOrigin = fault.New(fault.Denied, "cross_origin",
	"the request comes from a page of another site; WebSockets and requests that change something are taken from this site's pages and from programs only")

// checkOrigin refuses requests that change something and come from a page of
// another site.
func (g *Gateway) checkOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		g.refuse(w, http.StatusForbidden, errCrossOrigin)
	}))
	return p.Handler(next)
}

// Content security policies: what a page may load and run. The dashboard's
// component library writes style elements at run time.
const (
	dashboardPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; " +
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	plainPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// secure sets the headers that tell a browser to be strict.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", plainPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// limitedBody is a request's body that may have a certain size only. It keeps what
// was wrong with it.
type limitedBody struct {
	io.ReadCloser
	exceeded bool
	wrong    *fault.Error // as its decoder says it; nil if it was right
}

// Read notes when the limit was exceeded, because those who decode the body wrap
// the error beyond recognition.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, tooLarge := err.(*http.MaxBytesError); tooLarge { //nolint:errorlint // MaxBytesReader returns it bare
		b.exceeded = true
	}
	return n, err
}

// bound limits the size of the request's body and the time for all of it.
func (g *Gateway) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > g.cfg.MaxRequestBytes {
			g.tooLarge(w)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), g.cfg.RequestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = &limitedBody{ReadCloser: http.MaxBytesReader(w, r.Body, g.cfg.MaxRequestBytes)}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) tooLarge(w http.ResponseWriter) {
	g.refuse(w, http.StatusRequestEntityTooLarge, fault.New(fault.Exhausted, "request_too_large",
		"the request's body is larger than %d bytes, the setting http.max_request_bytes; send it in parts", g.cfg.MaxRequestBytes))
}

// refuse answers with an error and counts it.
func (g *Gateway) refuse(w http.ResponseWriter, code int, f *fault.Error) {
	g.metrics.refused.WithLabelValues(f.Reason).Inc()
	writeFault(w, code, f)
}

// observe counts requests and their time under the name of who answers.
func (g *Gateway) observe(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		s := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(s, r)
		g.metrics.requests.WithLabelValues(name, statusClass(s.code)).Inc()
		g.metrics.seconds.WithLabelValues(name).Observe(time.Since(begin).Seconds())
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader remembers the code.
func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush sends what is buffered, for answers that are streamed.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
