package alertmanager_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/esolutions/esmon/gateway/alertmanager"
	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
)

// platform answers as the platform does, with what the test sets, and notes what it
// was asked.
type platform struct {
	alertv1.UnimplementedAlertServiceServer
	alertv1.UnimplementedRuleServiceServer
	alertv1.UnimplementedSilenceServiceServer
	alertv1.UnimplementedDeliveryServiceServer

	err       error // of every call
	alerts    []*alertv1.Alert
	pages     int // how many alerts or silences a page has; all if 0
	rules     []*alertv1.Rule
	silences  []*alertv1.Silence
	receivers []string
	route     *alertv1.Route
	matches   func(map[string]string) []*alertv1.RouteMatch
	refusals  []*alertv1.SentAlertRefusal
	updateErr error

	listed  []*alertv1.ListAlertsRequest
	sent    []*alertv1.SentAlert
	created []*alertv1.Silence
	updated []*alertv1.Silence
	expired []string
}

// pageOf returns a page of a list: the token is where it begins.
func pageOf[T any](p *platform, list []T, token string) (page []T, next string) {
	from := len(token)
	if p.pages == 0 || from+p.pages >= len(list) {
		return list[from:], ""
	}
	return list[from : from+p.pages], strings.Repeat("x", from+p.pages)
}

func (p *platform) ListAlerts(_ context.Context, req *alertv1.ListAlertsRequest) (*alertv1.ListAlertsResponse, error) {
	p.listed = append(p.listed, req)
	page, next := pageOf(p, p.alerts, req.GetPageToken())
	return &alertv1.ListAlertsResponse{Alerts: page, NextPageToken: next}, p.err
}

func (p *platform) SendAlerts(_ context.Context, req *alertv1.SendAlertsRequest) (*alertv1.SendAlertsResponse, error) {
	p.sent = append(p.sent, req.GetAlerts()...)
	return &alertv1.SendAlertsResponse{Refusals: p.refusals}, p.err
}

func (p *platform) ListRules(context.Context, *alertv1.ListRulesRequest) (*alertv1.ListRulesResponse, error) {
	return &alertv1.ListRulesResponse{Rules: p.rules}, p.err
}

func (p *platform) ListSilences(_ context.Context, req *alertv1.ListSilencesRequest) (*alertv1.ListSilencesResponse, error) {
	if !req.GetExpired() {
		return nil, fault.New(fault.Internal, "x", "those that are over are shown, too")
	}
	page, next := pageOf(p, p.silences, req.GetPageToken())
	return &alertv1.ListSilencesResponse{Silences: page, NextPageToken: next}, p.err
}

func (p *platform) GetSilence(_ context.Context, req *alertv1.GetSilenceRequest) (*alertv1.GetSilenceResponse, error) {
	for _, s := range p.silences {
		if s.GetId() == req.GetId() {
			return &alertv1.GetSilenceResponse{Silence: s}, p.err
		}
	}
	return nil, fault.New(fault.NotFound, "silence_not_found", "there is no silence %q", req.GetId())
}

func (p *platform) CreateSilence(_ context.Context, req *alertv1.CreateSilenceRequest) (*alertv1.CreateSilenceResponse, error) {
	p.created = append(p.created, req.GetSilence())
	return &alertv1.CreateSilenceResponse{Silence: &alertv1.Silence{Id: "new"}}, p.err
}

func (p *platform) UpdateSilence(_ context.Context, req *alertv1.UpdateSilenceRequest) (*alertv1.UpdateSilenceResponse, error) {
	p.updated = append(p.updated, req.GetSilence())
	return &alertv1.UpdateSilenceResponse{Silence: req.GetSilence()}, p.updateErr
}

func (p *platform) ExpireSilence(_ context.Context, req *alertv1.ExpireSilenceRequest) (*alertv1.ExpireSilenceResponse, error) {
	p.expired = append(p.expired, req.GetId())
	return &alertv1.ExpireSilenceResponse{}, p.err
}

func (p *platform) GetRoutes(context.Context, *alertv1.GetRoutesRequest) (*alertv1.GetRoutesResponse, error) {
	return &alertv1.GetRoutesResponse{Route: p.route}, p.err
}

func (p *platform) TestRoute(_ context.Context, req *alertv1.TestRouteRequest) (*alertv1.TestRouteResponse, error) {
	return &alertv1.TestRouteResponse{Matches: p.matches(req.GetLabels())}, p.err
}

func (p *platform) ListReceivers(context.Context, *alertv1.ListReceiversRequest) (*alertv1.ListReceiversResponse, error) {
	res := &alertv1.ListReceiversResponse{}
	for _, name := range p.receivers {
		res.Receivers = append(res.Receivers, &alertv1.Receiver{Name: name})
	}
	return res, p.err
}

// rig is both interfaces in front of a platform.
type rig struct {
	t        *testing.T
	platform *platform
	am, prom http.Handler
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, platform: &platform{}}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.UnaryInterceptor(fault.UnaryServerInterceptor(slog.New(slog.DiscardHandler))))
	alertv1.RegisterAlertServiceServer(server, r.platform)
	alertv1.RegisterRuleServiceServer(server, r.platform)
	alertv1.RegisterSilenceServiceServer(server, r.platform)
	alertv1.RegisterDeliveryServiceServer(server, r.platform)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///rig", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		must(t, <-done)
	})
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Next", r.URL.Path) })
	r.am, r.prom = alertmanager.New(conn, "1.2.3"), alertmanager.Prometheus(conn, next)
	return r
}

// call returns the status and the body of an answer, which is JSON or empty.
func (r *rig) call(h http.Handler, method, target, body string) (int, string, http.Header) {
	r.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), method, target, strings.NewReader(body)))
	return w.Code, w.Body.String(), w.Header()
}

// get returns what is answered with 200, as JSON.
func (r *rig) get(target string) any {
	r.t.Helper()
	return r.read(r.am, target)
}

func (r *rig) read(h http.Handler, target string) any {
	r.t.Helper()
	code, body, header := r.call(h, http.MethodGet, target, "")
	if code != http.StatusOK || header.Get("Content-Type") != "application/json" {
		r.t.Fatalf("GET %s: %d %s %s", target, code, header.Get("Content-Type"), body)
	}
	var v any
	must(r.t, json.Unmarshal([]byte(body), &v))
	return v
}

// wantJSON compares JSON, whatever the order of fields.
func wantJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	var v any
	must(t, json.Unmarshal([]byte(want), &v))
	g, err := json.MarshalIndent(got, "", " ")
	must(t, err)
	w, err := json.MarshalIndent(v, "", " ")
	must(t, err)
	if string(g) != string(w) {
		t.Errorf("%s:\ngot  %s\nwant %s", what, g, w)
	}
}

// want checks status and body of a call to Alertmanager's interface.
func (r *rig) want(method, target, body string, code int, text string) {
	r.t.Helper()
	got, answer, _ := r.call(r.am, method, target, body)
	if got != code || !strings.Contains(answer, text) {
		r.t.Errorf("%s %.100s %.100s: %d %s, want %d %s", method, target, body, got, answer, code, text)
		return
	}
	var message string
	if code >= 400 && code != http.StatusMethodNotAllowed && json.Unmarshal([]byte(answer), &message) != nil {
		r.t.Errorf("%s %s: the body %q is no text in JSON", method, target, answer)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }
