package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
)

// sessionCookie tells the requests of one browser from those of others, so that they
// reach the same storage node. It is no secret and opens nothing.
const sessionCookie = "esmon_session"

// sessionBytes is the size of a session's id.
const sessionBytes = 16

// withSession gives each request's context its session, if there is a use for
// sessions. A browser gets a cookie. A program is known by its address and by what
// it proves itself with.
func withSession(deps Deps, next http.Handler) http.Handler {
	if deps.Session == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := cookieSession(r)
		if id == "" && isBrowser(r) {
			id = newSession()
			http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set where the connection is
				Name: sessionCookie, Value: id, Path: "/",
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
			})
		}
		if id == "" {
			id = programSession(r)
		}
		next.ServeHTTP(w, r.WithContext(deps.Session(r.Context(), id)))
	})
}

func newSession() string {
	b := make([]byte, sessionBytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// cookieSession returns the id in the request's cookie, "" if there is none that
// newSession can have made.
func cookieSession(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(c.Value); err != nil || len(b) != sessionBytes {
		return ""
	}
	return c.Value
}

// isBrowser tells whether a request comes from a browser, which keeps cookies: it
// says whose page asks, or wants a page.
func isBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || strings.Contains(r.Header.Get("Accept"), "text/html")
}

// programSession returns an id that is the same for all requests of a program,
// whatever connection they come by, and of another form than those in cookies.
func programSession(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	sum := sha256.Sum256([]byte(host + "\x00" + r.Header.Get("Authorization")))
	return "program-" + hex.EncodeToString(sum[:sessionBytes])
}
