package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/route"
)

// failing makes no HTTP request.
type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no HTTP here")
}

// promAnswer is an answer of the Prometheus HTTP API.
type promAnswer struct {
	code   int
	header http.Header
	body   string

	Status, ErrorType, Error string
	Warnings                 []string
	Data                     struct{ Node, Seen, Method, Path, Query, Body, Headers string }
}

// prom asks over HTTP, through a server, as the gateway does.
func (r *rig) prom(t testing.TB, req *http.Request) promAnswer {
	t.Helper()
	w := httptest.NewRecorder()
	r.Proxy().ServeHTTP(w, req)
	a := promAnswer{code: w.Code, header: w.Header(), body: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	return a
}

func get(ctx context.Context, url string) *http.Request {
	return httptest.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
}

func post(ctx context.Context, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/query", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestProxyPassesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, req := range []*http.Request{
		get(in(t, "a"), "/label/a%2Fb/values?match[]=x;y&x=%zz"),
		post(in(t, "a"), "query=up&time=1"),
	} {
		want, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(strings.NewReader(string(want)))
		req.Header.Set("User-Agent", "promtool")
		req.Header.Set("Authorization", "Bearer secret")
		req.Header.Set("Cookie", "esmon_session=secret")
		req.Header.Set("Connection", "close, X-Hop")
		req.Header.Set("X-Hop", "hop")
		req.Header.Set("Esmon-Min-Position", "0=L:999999")
		req.Header.Set("X-Forwarded-For", "192.0.2.9")
		a := r.prom(t, req)
		if a.code != http.StatusOK || len(a.Warnings) > 0 {
			t.Errorf("%d %s", a.code, a.body)
		}
		if d := a.Data; d.Method != req.Method || d.Path != route.PrometheusPath+req.URL.EscapedPath() || d.Query != req.URL.RawQuery || d.Body != string(want) {
			t.Errorf("the node saw %+v", d)
		}
		for _, no := range []string{"secret", "X-Hop", "999999", "192.0.2.9", "gzip", "Idempotency"} {
			if strings.Contains(a.Data.Headers, no) {
				t.Errorf("the node saw %s in %s", no, a.Data.Headers)
			}
		}
		if !strings.Contains(a.Data.Headers, "promtool") || a.header.Get("Esmon-Position") != "" {
			t.Errorf("the node saw %s; the client saw %v", a.Data.Headers, a.header)
		}
		if on := r.nodeOf(t, "a"); on.address != a.Data.Node {
			t.Error("a session is on two nodes")
		}
	}
}

func TestProxiedRequestsSurviveAKilledNode(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, nil)
	victim := r.nodeOf(t, "a")
	begun := make(chan struct{}, 100)
	victim.setBefore(func(ctx context.Context) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	var wg sync.WaitGroup
	ask := func(req *http.Request, body string) {
		a := r.prom(t, req)
		if a.code != http.StatusOK || a.Data.Node == victim.address || a.Data.Body != body {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
	for i := range 10 {
		body := fmt.Sprint("query=", i)
		wg.Go(func() { ask(get(in(t, "a"), "/query?query=x"), "") })
		wg.Go(func() { ask(post(in(t, "a"), body), body) })
	}
	for range 20 {
		<-begun
	}
	victim.kill()
	wg.Wait()
	for i := range 30 {
		ask(post(in(t, fmt.Sprint("b", i)), "query=y"), "query=y")
	}
}

// TestAnAnswerThatBreaksOffIsAskedForElsewhere has a node die in its answer.
func TestAnAnswerThatBreaksOffIsAskedForElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	victim := r.nodeOf(t, "a")
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"status":"succ`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(half.Close)
	r.web[victim.address] = half.Listener.Addr().String()
	if a := r.prom(t, get(in(t, "a"), "/query")); a.code != http.StatusOK || a.Data.Node == victim.address {
		t.Errorf("%d %s", a.code, a.body)
	}
}

// TestNodesThatNeverHadTheRequestDoNotCount has nodes that seem to be well and take
// no connection: the one that is left answers.
func TestNodesThatNeverHadTheRequestDoNotCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5, nil)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, n := range r.nodes[:4] {
		r.web[n.address] = closed.Listener.Addr().String()
	}
	for i := range 20 {
		if a := r.prom(t, post(in(t, fmt.Sprint("s", i)), "query=x")); a.code != http.StatusOK || a.Data.Node != r.nodes[4].address {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
}

// TestNobodyWaitsForADeadNode has a node that is gone, while its connections for
// HTTP do not show it.
func TestNobodyWaitsForADeadNode(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	victim := r.nodeOf(t, "a")
	begun := make(chan struct{})
	victim.setBefore(func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	go func() {
		<-begun
		victim.listeners[0].kill()
	}()
	if a := r.prom(t, get(in(t, "a"), "/query")); a.code != http.StatusOK || a.Data.Node == victim.address {
		t.Errorf("%d %s", a.code, a.body)
	}
}

// TestANodeThatStopsAnswersElsewhere has a node give up its queries as it stops.
func TestANodeThatStopsAnswersElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	victim := r.nodeOf(t, "a")
	stopping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(499) }))
	t.Cleanup(stopping.Close)
	r.web[victim.address] = stopping.Listener.Addr().String()
	if a := r.prom(t, get(in(t, "a"), "/query")); a.code != http.StatusOK || a.Data.Node == victim.address {
		t.Errorf("%d %s", a.code, a.body)
	}
}

func TestErrorsInPrometheusForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(c *route.Config, _ *route.Deps) { c.MaxBodyBytes = 10 })
	if a := r.prom(t, post(t.Context(), "query=much+too+long")); a.code != http.StatusBadRequest || a.ErrorType != "bad_data" || !strings.Contains(a.Error, "route.max_body_bytes") {
		t.Errorf("%d %s", a.code, a.body)
	}
	r.nodes[0].setBefore(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	late, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if a := r.prom(t, get(late, "/query")); a.code != http.StatusServiceUnavailable || a.ErrorType != "timeout" || a.Status != "error" {
		t.Errorf("%d %s", a.code, a.body)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if a := r.prom(t, get(gone, "/query")); a.code != 499 || a.ErrorType != "canceled" {
		t.Errorf("%d %s", a.code, a.body)
	}
	r.nodes[0].kill()
	r.waitState(t, r.nodes[0], route.Unreachable)
	a := r.prom(t, get(t.Context(), "/query"))
	if a.code != http.StatusServiceUnavailable || a.ErrorType != "unavailable" || !strings.Contains(a.Error, "storage") || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.code, a.body)
	}
	if strings.Contains(a.Error, "127.0.0.1") {
		t.Errorf("an address inside is shown outside: %s", a.Error)
	}
}

// TestLargeAnswersAreStreamed holds that an answer arrives whole that is larger than
// what is kept of it, and before its end.
func TestLargeAnswersAreStreamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	const size = 5 << 20
	proceed := make(chan struct{})
	large := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", size/2))
		_ = http.NewResponseController(w).Flush()
		<-proceed
		_, _ = io.WriteString(w, strings.Repeat("y", size/2))
	}))
	t.Cleanup(large.Close)
	r.web[r.nodes[0].address] = large.Listener.Addr().String()
	gateway := httptest.NewServer(r.Proxy())
	t.Cleanup(gateway.Close)
	resp, err := gateway.Client().Get(gateway.URL + "/query")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, size/2)); err != nil {
		t.Fatal(err)
	}
	r.nodes[0].listeners[0].kill() // what has begun goes on
	r.waitState(t, r.nodes[0], route.Unreachable)
	close(proceed)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != strings.Repeat("y", size/2) {
		t.Errorf("%d bytes came, %v", len(rest), err)
	}
}

// TestProxyWaitsForWhatTheSessionSaw moves a session to a node that is behind.
func TestProxyWaitsForWhatTheSessionSaw(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	ahead := r.nodeOf(t, "a")
	ahead.setHead(position(0, 100), bus.Position{LogID: "L", Partition: 1, Offset: 5})
	if a := r.prom(t, get(in(t, "a"), "/query")); a.Data.Seen != "100" {
		t.Fatalf("got %s", a.body)
	}
	ahead.setServing(false)
	r.waitState(t, ahead, route.NotReady)
	a := r.prom(t, get(in(t, "a"), "/query"))
	if a.code != http.StatusOK || a.Data.Node == ahead.address || len(a.Warnings) != 1 ||
		!strings.Contains(a.Warnings[0], "99 records of partition 0") || !strings.Contains(a.Warnings[0], "partition 1, which it does not read") {
		t.Errorf("got %s", a.body)
	}
	if a := r.prom(t, get(in(t, "b"), "/query")); len(a.Warnings) > 0 {
		t.Errorf("another session is warned: %s", a.body)
	}
	r.byAddress(a.Data.Node).setHead(position(0, 100))
	if a := r.prom(t, get(in(t, "a"), "/query")); a.Data.Seen != "100" || len(a.Warnings) > 0 {
		t.Errorf("got %s", a.body)
	}
}
