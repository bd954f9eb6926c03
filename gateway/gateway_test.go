package gateway_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/esolutions/esmon/gateway"
	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// platform is the services as far as these tests ask them.
type platform struct {
	agentsv1.UnimplementedAgentsServiceServer
	alertv1.UnimplementedSilenceServiceServer
	enrolv1.UnimplementedTokenServiceServer
	ingestv1.UnimplementedIngestServiceServer
	livev1.UnimplementedLiveServiceServer
	queryv1.UnimplementedQueryServiceServer
	statusv1.UnimplementedStatusServiceServer

	reasons []string // why it is not ready
	failure error    // of ListMetrics
	watch   func(*livev1.WatchRequest, grpc.ServerStreamingServer[livev1.WatchResponse]) error
}

func (p *platform) GetAgent(_ context.Context, req *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	if req.GetId() == "secret" {
		return nil, fault.GRPC(io.ErrUnexpectedEOF)
	}
	return nil, fault.GRPC(fault.New(fault.NotFound, "agent_unknown", "there is no agent %q", req.GetId()))
}

func (p *platform) CreateSilence(_ context.Context, req *alertv1.CreateSilenceRequest) (*alertv1.CreateSilenceResponse, error) {
	return &alertv1.CreateSilenceResponse{Silence: req.GetSilence()}, nil
}

func (p *platform) UpdateSilence(_ context.Context, req *alertv1.UpdateSilenceRequest) (*alertv1.UpdateSilenceResponse, error) {
	return &alertv1.UpdateSilenceResponse{Silence: req.GetSilence()}, nil
}

func (p *platform) ListMetrics(context.Context, *queryv1.ListMetricsRequest) (*queryv1.ListMetricsResponse, error) {
	return &queryv1.ListMetricsResponse{}, p.failure
}

func (p *platform) Push(_ context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	return &ingestv1.PushResponse{Accepted: uint32(len(req.GetPoints()))}, nil
}

func (p *platform) Query(_ context.Context, req *queryv1.QueryRequest) (*queryv1.QueryResponse, error) {
	res := &queryv1.QueryResponse{ResultType: "vector", Text: req.GetQuery()}
	for range 1000 {
		res.Series = append(res.Series, &queryv1.Series{Labels: map[string]string{"a": "b"}})
	}
	return res, nil
}

func (p *platform) QueryRange(ctx context.Context, _ *queryv1.QueryRangeRequest) (*queryv1.QueryRangeResponse, error) {
	<-ctx.Done()
	return nil, fault.GRPC(ctx.Err())
}

func (p *platform) GetStatus(context.Context, *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	return &statusv1.GetStatusResponse{Ready: len(p.reasons) == 0, Reasons: p.reasons}, nil
}

func (p *platform) Watch(req *livev1.WatchRequest, stream grpc.ServerStreamingServer[livev1.WatchResponse]) error {
	return p.watch(req, stream)
}

// serve returns the URL of a gateway in front of p, which ends with the test.
func serve(t *testing.T, p *platform, change func(*gateway.Config, *gateway.Deps)) string {
	t.Helper()
	g := newGateway(t, p, change)
	t.Cleanup(run(t, g))
	return "http://" + g.Addr().String()
}

// runGateway returns a running gateway and what stops it and waits for its end.
func runGateway(t *testing.T, p *platform) (*gateway.Gateway, func()) {
	t.Helper()
	g := newGateway(t, p, nil)
	stop := sync.OnceFunc(run(t, g))
	t.Cleanup(stop)
	return g, stop
}

func newGateway(t *testing.T, p *platform, change func(*gateway.Config, *gateway.Deps)) *gateway.Gateway {
	t.Helper()
	cfg := gateway.DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	deps := gateway.Deps{
		Platform: connect(t, p),
		Prometheus: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			_, _ = io.WriteString(w, r.URL.Path+"?"+r.Form.Encode())
		}),
	}
	if change != nil {
		change(&cfg, &deps)
	}
	reg := prometheus.NewRegistry()
	deps.Metrics = reg
	g, err := gateway.New(cfg, deps, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

func run(t *testing.T, g *gateway.Gateway) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()
	return func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// connect serves p in memory and returns a connection to it.
func connect(t *testing.T, p *platform) grpc.ClientConnInterface {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer()
	agentsv1.RegisterAgentsServiceServer(s, p)
	alertv1.RegisterSilenceServiceServer(s, p)
	enrolv1.RegisterTokenServiceServer(s, p)
	ingestv1.RegisterIngestServiceServer(s, p)
	livev1.RegisterLiveServiceServer(s, p)
	queryv1.RegisterQueryServiceServer(s, p)
	statusv1.RegisterStatusServiceServer(s, p)
	go func() { _ = s.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
	})
	return conn
}

// answer is what came back for a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (a answer) reason(t *testing.T) string {
	t.Helper()
	var e struct{ Reason, Kind, Message string }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%d %q is no error answer: %v", a.code, a.body, err)
	}
	if e.Kind == "" || e.Message == "" {
		t.Errorf("answer %q lacks a kind or a message", a.body)
	}
	return e.Reason
}

func do(t *testing.T, method, url, body string, change func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func get(t *testing.T, url string) answer { t.Helper(); return do(t, "GET", url, "", nil) }

func TestREST(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	if a := get(t, url+"/api/v1/query?query=up"); a.code != 200 || !strings.Contains(a.body, `"text":"up"`) {
		t.Errorf("GET: %d %.100s", a.code, a.body)
	}
	if a := do(t, "POST", url+"/api/v1/push", `{"points":[{"name":"a","value":1},{"name":"b","value":"NaN"}]}`, nil); a.code != 200 || !strings.Contains(strings.ReplaceAll(a.body, " ", ""), `"accepted":2`) {
		t.Errorf("POST: %d %s", a.code, a.body)
	}
}

func TestErrorsAreUniform(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, func(c *gateway.Config, _ *gateway.Deps) {
		c.MaxRequestBytes = 1000
		c.RequestTimeout = time.Second
	})
	big := `{"points":[` + strings.Repeat(" ", 2000) + `]}`
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		code                     int
		reason                   string
	}{
		{"a service's reason", "GET", "/api/v1/agents/x", "", nil, 404, "agent_unknown"},
		{"an internal error", "GET", "/api/v1/agents/secret", "", nil, 500, "internal"},
		{"bad JSON", "POST", "/api/v1/push", `{"points":5}`, nil, 400, "field_invalid"},
		{"an unknown field", "POST", "/api/v1/push", `{"point":[]}`, nil, 400, "field_unknown"},
		{"a path of no contract", "GET", "/api/v1/nothing", "", nil, 404, "path_unknown"},
		{"a path beside the contracts", "GET", "/api/nothing", "", nil, 404, "path_unknown"},
		{"a wrong method", "DELETE", "/api/v1/query", "", nil, 405, "method_not_allowed"},
		{"a form is no way around", "POST", "/api/v1/agents", "pageSize=1", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, 405, "method_not_allowed"},
		{"a large body", "POST", "/api/v1/push", big, nil, 413, "request_too_large"},
		{"a large body of unknown length", "POST", "/api/v1/push", big, func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(big))
		}, 413, "request_too_large"},
		{"too slow", "GET", "/api/v1/query_range?query=up", "", nil, 504, "request_timeout"},
		{"a foreign host name", "GET", "/api/v1/status", "", func(r *http.Request) { r.Host = "evil.example:8080" }, 421, "host_not_local"},
		{"a name that only looks local", "GET", "/", "", func(r *http.Request) { r.Host = "localhost.evil.example" }, 421, "host_not_local"},
		{"a page of another site", "POST", "/api/v1/push", "{}", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "cross_origin"},
		{"another site's origin", "POST", "/prometheus/api/v1/query", "", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403, "cross_origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := do(t, c.method, url+c.path, c.body, c.change)
			if a.code != c.code || a.reason(t) != c.reason {
				t.Errorf("got %d %s, want %d %s", a.code, a.body, c.code, c.reason)
			}
			if a.header.Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", a.header.Get("Content-Type"))
			}
			sameAsDocumented(t, a.body)
			if strings.Contains(a.body, "EOF") && c.code == 500 {
				t.Error("an internal error shows its cause")
			}
		})
	}
}

func TestLocalHostNamesAreAnswered(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	for _, host := range []string{"localhost", "localhost:99", "LOCALHOST.", "a.localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8080", "[::ffff:127.0.0.1]"} {
		if a := do(t, "GET", url+"/healthz", "", func(r *http.Request) { r.Host = host }); a.code != 200 {
			t.Errorf("%s: %d", host, a.code)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	if a := get(t, url+"/healthz"); a.code != 200 || a.body != "ok\n" {
		t.Errorf("healthz %+v", a)
	}
	if a := get(t, url+"/readyz"); a.code != 200 || strings.TrimSpace(a.body) != `{"ready":true,"reasons":[]}` {
		t.Errorf("readyz %+v", a)
	}
	url = serve(t, &platform{reasons: []string{"storage: 5 records behind"}}, nil)
	if a := get(t, url+"/readyz"); a.code != 503 || strings.TrimSpace(a.body) != `{"ready":false,"reasons":["storage: 5 records behind"]}` {
		t.Errorf("readyz %+v", a)
	}
}

func TestMetricsCountRequests(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	get(t, url+"/api/v1/agents/x")
	do(t, "GET", url+"/healthz", "", func(r *http.Request) { r.Host = "evil.example" })
	a := get(t, url+"/metrics")
	for _, line := range []string{`esmon_http_requests_total{handler="rest",status="4xx"} 1`, `esmon_http_refused_total{reason="host_not_local"} 1`} {
		if !strings.Contains(a.body, line) {
			t.Errorf("no %q in\n%s", line, a.body)
		}
	}
}

func TestPrometheusAPIIsMounted(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	a := do(t, "POST", url+"/prometheus/api/v1/query", "query=up", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	if a.body != "/query?query=up" {
		t.Errorf("got %+v", a)
	}
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	a := do(t, "GET", url+"/api/v1/query", "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", a.header)
	}
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !json.Valid(b) {
		t.Errorf("%v, %.50s", err, b)
	}
	if a := do(t, "GET", url+"/readyz", "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }); a.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was compressed")
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	var spec struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(get(t, url+"/api/openapi.json").body), &spec); err != nil || len(spec.Paths) < 10 {
		t.Fatalf("%d paths, %v", len(spec.Paths), err)
	}
	page := get(t, url+"/api/docs")
	for path := range spec.Paths {
		if !strings.Contains(page.body, "<code>"+path+"</code>") {
			t.Errorf("the page does not show %s", path)
		}
	}
	for _, text := range []string{"QueryRangeRequest", "The PromQL expression.", "AGENT_STATE_CLONED", `href="#type-PushRequest"`, `Messages: <a href="#type-WatchRequest">`, `href="#type-Error"`} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the page does not show %q", text)
		}
	}
	if strings.Contains(page.body, "<script") || strings.Contains(page.body, "style=") || strings.Contains(page.body, `src="http`) {
		t.Error("the page has what its policy forbids")
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	if a := get(t, url+"/api/docs/style.css"); a.code != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("style %+v", a)
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	build := fstest.MapFS{
		"index.html":         {Data: []byte("<title>page</title>")},
		"favicon.svg":        {Data: []byte("<svg/>")},
		"assets/main-1a2.js": {Data: []byte("main()")},
	}
	url := serve(t, &platform{}, func(_ *gateway.Config, d *gateway.Deps) { d.Dashboard = build })
	for _, c := range []struct {
		path, body, cache string
		code              int
	}{
		{"/", "<title>page</title>", "no-cache", 200},
		{"/hosts/web01.example.com", "<title>page</title>", "no-cache", 200},
		{"/index.html", "<title>page</title>", "no-cache", 200},
		{"/favicon.svg", "<svg/>", "no-cache", 200},
		{"/assets/main-1a2.js", "main()", "public, max-age=31536000, immutable", 200},
		{"/assets/main-old.js", "", "no-store", 404},
		{"/../../etc/passwd", "<title>page</title>", "no-cache", 200},
	} {
		a := get(t, url+c.path)
		if a.code != c.code || c.code == 200 && a.body != c.body || a.header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q, cache %q", c.path, a.code, a.body, a.header.Get("Cache-Control"))
		}
		if c.code == 200 && !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", c.path, a.header.Get("Content-Security-Policy"))
		}
	}
	if a := do(t, "POST", url+"/", "", nil); a.code != 405 {
		t.Errorf("POST / gave %d", a.code)
	}
}

func TestWithoutDashboard(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, nil)
	if a := get(t, url+"/"); a.code != 200 || !strings.Contains(a.body, "built without the dashboard") {
		t.Errorf("got %+v", a)
	}
	if a := get(t, url+"/other"); a.code != 404 {
		t.Errorf("got %d", a.code)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "192.0.2.1:8080": false, "example.com:80": false, "127.0.0.1": false,
	} {
		cfg := gateway.DefaultConfig()
		cfg.Address = address
		err := cfg.Validate()
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if ok {
			continue
		}
		if !strings.Contains(err.Error(), "address: ") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the message does not say what would be right: %v", address, err)
		}
		g, err := gateway.New(cfg, gateway.Deps{Platform: connect(t, &platform{})}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Listen(t.Context()); err == nil {
			t.Errorf("listened on %s", g.Addr())
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	url := serve(t, &platform{}, func(c *gateway.Config, _ *gateway.Deps) { c.MaxConnections = 2 })
	address := strings.TrimPrefix(url, "http://")
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if a := fresh(t, url+"/healthz"); a.code != 503 || a.reason(t) != "too_many_connections" {
		t.Errorf("got %+v", a)
	}
	for _, c := range held {
		_ = c.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for fresh(t, url+"/healthz").code != 200 {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection made no room")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// fresh asks on a connection of its own.
func fresh(t *testing.T, url string) answer {
	t.Helper()
	return do(t, "GET", url, "", func(r *http.Request) { r.Close = true })
}

func TestServeHTTPNeedsNoListener(t *testing.T) {
	t.Parallel()
	g, err := gateway.New(gateway.DefaultConfig(), gateway.Deps{Platform: connect(t, &platform{}), Prometheus: http.NotFoundHandler(), Metrics: prometheus.NewRegistry()},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/healthz", nil))
	if w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	for _, h := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy", "Cross-Origin-Opener-Policy"} {
		if w.Header().Get(h) == "" {
			t.Errorf("no header %s", h)
		}
	}
	if err := g.Close(); err != nil || g.Addr() != nil {
		t.Errorf("Close of a gateway that never listened: %v", err)
	}
}
