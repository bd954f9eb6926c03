package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/esolutions/esmon/gateway"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
)

type sessionKey struct{}

// tracing is a platform connection that notes the session and the metadata of calls.
type tracing struct {
	grpc.ClientConnInterface
	calls chan traced
}

type traced struct {
	session string
	md      metadata.MD
}

func (c tracing) note(ctx context.Context) {
	id, _ := ctx.Value(sessionKey{}).(string)
	md, _ := metadata.FromOutgoingContext(ctx)
	c.calls <- traced{id, md}
}

func (c tracing) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	c.note(ctx)
	return c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}

func (c tracing) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c.note(ctx)
	return c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
}

// sessionGateway returns a gateway with sessions, and what its calls were.
func sessionGateway(t *testing.T, p *platform) (*gateway.Gateway, chan traced) {
	t.Helper()
	calls := make(chan traced, 10)
	g := newGateway(t, p, func(_ *gateway.Config, d *gateway.Deps) {
		d.Platform = tracing{d.Platform, calls}
		d.Session = func(ctx context.Context, id string) context.Context {
			return context.WithValue(ctx, sessionKey{}, id)
		}
	})
	return g, calls
}

// ask makes a request, by a browser if it has the header, and returns the session of
// the call that came of it and the cookie that was set.
func ask(t *testing.T, g *gateway.Gateway, calls chan traced, url string, change func(*http.Request)) (string, *http.Cookie) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, http.NoBody)
	r.RemoteAddr = "192.0.2.1:1000"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", url, w.Code, w.Body)
	}
	var cookie *http.Cookie
	for _, c := range w.Result().Cookies() {
		if c.Name == "esmon_session" {
			cookie = c
		}
	}
	return (<-calls).session, cookie
}

const metricsURL = "http://localhost/api/v1/metrics"

func TestBrowsersGetACookie(t *testing.T) {
	t.Parallel()
	g, calls := sessionGateway(t, &platform{})
	browser := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
	first, cookie := ask(t, g, calls, metricsURL, browser)
	if cookie == nil || first != cookie.Value || !regexp.MustCompile(`^[\w-]{22}$`).MatchString(first) {
		t.Fatalf("session %q, cookie %v", first, cookie)
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure || cookie.Path != "/" {
		t.Errorf("cookie %+v", cookie)
	}
	again, second := ask(t, g, calls, metricsURL, func(r *http.Request) { browser(r); r.AddCookie(cookie) })
	if again != first || second != nil {
		t.Errorf("with the cookie: session %q, and another cookie %v", again, second)
	}
	other, _ := ask(t, g, calls, metricsURL, browser)
	if other == first {
		t.Error("two browsers have one session")
	}
	_, secure := ask(t, g, calls, "https://localhost/api/v1/metrics", browser)
	if secure == nil || !secure.Secure {
		t.Errorf("over TLS: cookie %+v", secure)
	}
	_, page := ask(t, g, calls, metricsURL, func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*") })
	if page == nil {
		t.Error("a browser that does not say whose page asks got no cookie")
	}
}

func TestForeignCookiesAreNoSessions(t *testing.T) {
	t.Parallel()
	g, calls := sessionGateway(t, &platform{})
	for _, value := range []string{"x", "AAAAAAAAAAAAAAAAAAAAAB", "program-00000000000000", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		id, cookie := ask(t, g, calls, metricsURL, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.AddCookie(&http.Cookie{Name: "esmon_session", Value: value})
		})
		if id == value || cookie == nil {
			t.Errorf("%q was taken for a session", value)
		}
	}
}

func TestProgramsAreKnownByWhatTheyAre(t *testing.T) {
	t.Parallel()
	g, calls := sessionGateway(t, &platform{})
	program := func(address, token string) string {
		t.Helper()
		id, cookie := ask(t, g, calls, metricsURL, func(r *http.Request) {
			r.RemoteAddr = address
			if token != "" {
				r.Header.Set("Authorization", token)
			}
		})
		if cookie != nil || id == "" {
			t.Errorf("session %q, cookie %v", id, cookie)
		}
		return id
	}
	a := program("192.0.2.1:1000", "Bearer a")
	if b := program("192.0.2.1:2000", "Bearer a"); b != a {
		t.Error("another connection is another session")
	}
	if b := program("192.0.2.1:1000", "Bearer b"); b == a {
		t.Error("another token is the same session")
	}
	if b := program("192.0.2.2:1000", "Bearer a"); b == a {
		t.Error("another host is the same session")
	}
}

func TestNoSessionsWithoutUseForThem(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &platform{}, nil)
	r := httptest.NewRequest(http.MethodGet, metricsURL, http.NoBody)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if got := w.Result().Header["Set-Cookie"]; w.Code != http.StatusOK || got != nil {
		t.Errorf("%d, cookies %q", w.Code, got)
	}
}

// TestHeadersFromOutsideStayOutside holds that nobody outside can say what only the
// gateway may say to storage.
func TestHeadersFromOutsideStayOutside(t *testing.T) {
	t.Parallel()
	g, calls := sessionGateway(t, &platform{})
	r := httptest.NewRequest(http.MethodGet, metricsURL, http.NoBody)
	for _, name := range []string{"Esmon-Min-Position", "Grpc-Metadata-Esmon-Min-Position", "Esmon-Position"} {
		r.Header.Set(name, "0=A:9")
	}
	g.ServeHTTP(httptest.NewRecorder(), r)
	for name := range (<-calls).md {
		if regexp.MustCompile("(?i)esmon").MatchString(name) {
			t.Errorf("metadata %q went through", name)
		}
	}
}

// watching is a platform whose watches do, one after the other, what the functions do.
func watching(dos ...func(watchStream) error) *platform {
	next := make(chan func(watchStream) error, len(dos))
	for _, do := range dos {
		next <- do
	}
	return &platform{watch: func(_ *livev1.WatchRequest, s watchStream) error {
		return (<-next)(s)
	}}
}
