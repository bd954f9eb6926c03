package query_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// small is a source with one of each kind of thing: 100 samples a series, a second
// apart from time 0 on.
func small() *memSource {
	m := &memSource{columns: []metric.Column{
		{Name: "up", Type: metric.Gauge, Help: "Whether it is up."},
		{Name: "sent_bytes_total", Type: metric.Counter, Unit: "By", Help: "Bytes sent."},
		{Name: "wait_seconds_bucket", Type: metric.Histogram, Unit: "s", Help: "Waits."},
		{Name: "wait_seconds_sum", Type: metric.Histogram, Unit: "s", Help: "Waits."},
	}}
	one := func(int) float64 { return 1 }
	m.add(labelsOf("up", "host_name", "a"), 0, 1000, 100, one)
	m.add(labelsOf("up", "host_name", "b"), 0, 1000, 100, func(int) float64 { return 0 })
	m.add(labelsOf("sent_bytes_total", "host_name", "a"), 0, 1000, 100, func(i int) float64 { return float64(10 * i) })
	m.add(labelsOf("odd", "kind", "nan"), 0, 1000, 100, func(int) float64 { return metric.NaN() })
	m.add(labelsOf("odd", "kind", "inf"), 0, 1000, 100, func(int) float64 { return math.Inf(1) })
	m.add(labelsOf("odd", "kind", "-inf"), 0, 1000, 100, func(int) float64 { return math.Inf(-1) })
	m.add(labelsOf("odd", "kind", "tiny"), 0, 1000, 100, func(int) float64 { return 1.5e-7 })
	m.add(labelsOf("odd", "kind", "huge"), 0, 1000, 100, func(int) float64 { return 1e21 })
	m.add(labelsOf("odd", "kind", "<\"\\\n\x01ü&>"), 0, 1000, 100, func(int) float64 { return 0.1 })
	return m
}

// rig is a service over a source, with a client of its HTTP API.
type rig struct {
	testing.TB
	service *query.Service
	source  *memSource
	handler http.Handler
	reg     *prometheus.Registry
}

func newRig(t testing.TB, source *memSource, change func(*query.Config)) *rig {
	t.Helper()
	cfg := query.DefaultConfig()
	cfg.Version = "1.2.3"
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	s, err := query.New(cfg, source, discard(), reg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{TB: t, service: s, source: source, handler: s.PrometheusHandler(), reg: reg}
}

// get asks the HTTP API; the query is as in a URL, but with plain text after =.
func (r *rig) get(path string, params ...string) (status int, body string) {
	r.Helper()
	return r.do(r.Context(), http.MethodGet, path, params...)
}

func (r *rig) do(ctx context.Context, method, path string, params ...string) (status int, body string) {
	r.Helper()
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	var req *http.Request
	if method == http.MethodPost {
		req = httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req = httptest.NewRequestWithContext(ctx, method, path+"?"+form.Encode(), nil)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	if w.Code == http.StatusOK && (w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes())) {
		r.Errorf("%s: no JSON: %s", path, w.Body)
	}
	return w.Code, w.Body.String()
}

// want asks the HTTP API and compares the whole answer.
func (r *rig) want(status int, body, path string, params ...string) {
	r.Helper()
	if gotStatus, got := r.get(path, params...); gotStatus != status || got != body {
		r.Errorf("%s %q:\n got %d %s\nwant %d %s", path, params, gotStatus, got, status, body)
	}
}

// refused asks the HTTP API and checks the refusal.
func (r *rig) refused(status int, errorType, text, path string, params ...string) {
	r.Helper()
	gotStatus, got := r.get(path, params...)
	var e struct{ Status, ErrorType, Error string }
	if err := json.Unmarshal([]byte(got), &e); err != nil {
		r.Fatalf("%s: %v: %s", path, err, got)
	}
	if gotStatus != status || e.Status != "error" || e.ErrorType != errorType || !strings.Contains(e.Error, text) {
		r.Errorf("%s:\n got %d %s %q\nwant %d %s with %q", path, gotStatus, e.ErrorType, e.Error, status, errorType, text)
	}
}
