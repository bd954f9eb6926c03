package alertapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/dispatch/receiver"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// start is the time that the rig's clock shows at first.
var start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// files is a configuration directory with something of everything.
var files = map[string]string{
	"catalogue.yaml": "enable: []\n",
	"rules/web.yaml": `groups:
- name: web
  interval: 30s
  rules:
  - alert: Load
    expr: load{env="prod"} > 5
    for: 1m
    keep_firing_for: 2m
    severity: warning
    owner: ann
    runbook: https://wiki/load
    labels:
      team: web
    annotations:
      summary: |
        The load is high

        on {{ $labels.host_name }}
  # what follows is another rule
  - alert: Down
    expr: up == 0
    labels: {severity: critical}
    no_data: alert
    schedule: Mo-Fr 08:00-18:00
    clear: up == 1
  - record: job:up:sum
    expr: sum(up)
- name: flow
  rules: [{alert: Flow, expr: up > 1}, {alert: Flow2, expr: "vector(1)"}]
`,
	"receivers.yaml": `receivers:
- name: ops
  webhook: {url: 'https://example.com/ops'}
- name: db
  webhook: {url: 'https://example.com/db'}
`,
	"routes.yaml": `route:
  receiver: ops
  group_by: [alertname]
  group_wait: 10s
  routes:
  - matchers: ['team="db"']
    receiver: db
    escalation: late
    group_by: ['...']
    mute_time_intervals: [never]
mute_time_intervals:
- name: never
  time_intervals: [{years: ['1999']}]
escalations:
  late:
    steps: [{after: 5m, to: [ops]}]
inhibit_rules:
- source_matchers: [alertname=HostDown]
  target_matchers: [alertname!=HostDown]
  equal: [host_name]
people:
  anna: [ops]
  ben: [db]
on_call:
  db:
    layers:
    - {start: 2026-01-05, handover: "09:00", shift: weekly, rotation: [anna, ben]}
`,
}

// config is a configuration that the test sets.
type config struct {
	loaded   atomic.Pointer[alertconfig.Loaded]
	problems []alert.Problem
}

func (c *config) Current() *alertconfig.Loaded { return c.loaded.Load() }

func (c *config) Problems() []alert.Problem { return c.problems }

// rules are the states of rules that the test sets.
type rules []alerting.RuleStatus

func (r rules) Rules() []alerting.RuleStatus { return r }

func (rules) Leads() bool { return true }

// dispatch sends nothing and notes what it was given.
type dispatch struct {
	messages []*alert.Message
	attempt  alert.Attempt
	breakers map[string]string
	err      error
}

func (d *dispatch) Test(_ context.Context, _ string, m *alert.Message) (alert.Attempt, error) {
	d.messages = append(d.messages, m)
	return d.attempt, d.err
}

func (d *dispatch) Breakers() map[string]string { return d.breakers }

// rig is the service behind a real connection, over a real database.
type rig struct {
	t        *testing.T
	store    alert.Store
	config   *config
	memory   *query.Memory
	dispatch *dispatch
	clock    atomic.Int64 // Unix milliseconds
	changed  atomic.Int64 // how often people changed something

	conn     *grpc.ClientConn
	alerts   alertv1.AlertServiceClient
	rules    alertv1.RuleServiceClient
	silences alertv1.SilenceServiceClient
	delivery alertv1.DeliveryServiceClient
}

func newRig(t *testing.T, change ...func(*alertapi.Deps)) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "alerts.db"), slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r := &rig{t: t, store: db.Alerts(), config: &config{}, memory: query.NewMemory(), dispatch: &dispatch{}}
	r.clock.Store(start.UnixMilli())
	evaluator, err := query.NewEvaluator(query.DefaultConfig(), r.memory, slog.New(slog.DiscardHandler))
	must(t, err)
	r.load(files)
	set, err := receiver.New(r.config.Current().Receivers, receiver.Deps{}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(set.Close)
	deps := alertapi.Deps{
		Store: r.store, Config: r.config, Receivers: func() *receiver.Set { return set }, Rules: rules(nil), Dispatch: r.dispatch, Querier: evaluator,
		Unit:    func(name string) string { return map[string]string{"load": "1", "bytes": "By"}[name] },
		Changed: func() { r.changed.Add(1) }, Now: r.now,
	}
	for _, f := range change {
		f(&deps)
	}
	r.serve(alertapi.New(deps, slog.New(slog.DiscardHandler)))
	return r
}

func (r *rig) serve(s *alertapi.Service) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnaryInterceptor(fault.UnaryServerInterceptor(slog.New(slog.DiscardHandler))))
	s.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///rig", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	must(r.t, err)
	r.t.Cleanup(func() {
		must(r.t, conn.Close())
		server.Stop()
		must(r.t, <-done)
	})
	r.conn = conn
	r.alerts, r.rules = alertv1.NewAlertServiceClient(conn), alertv1.NewRuleServiceClient(conn)
	r.silences, r.delivery = alertv1.NewSilenceServiceClient(conn), alertv1.NewDeliveryServiceClient(conn)
}

func (r *rig) now() time.Time { return time.UnixMilli(r.clock.Load()).UTC() }

// pass lets time pass.
func (r *rig) pass(d time.Duration) { r.clock.Add(d.Milliseconds()) }

// load puts a configuration in force.
func (r *rig) load(texts map[string]string) {
	r.t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	checker, err := query.NewEvaluator(query.DefaultConfig(), query.NewMemory(), slog.New(slog.DiscardHandler))
	must(r.t, err)
	l, problems, err := alertconfig.Read(fsys, alertconfig.Options{Checker: checker}, start)
	if err != nil || len(problems) > 0 {
		r.t.Fatal(err, problems)
	}
	r.config.loaded.Store(l)
}

// commit stores states as the leader does, and lets the service see them.
func (r *rig) commit(c *alert.Commit) {
	r.t.Helper()
	epoch, _, err := r.store.Lead(r.t.Context(), "test")
	must(r.t, err)
	must(r.t, r.store.Commit(r.t.Context(), epoch, c))
	r.pass(2 * time.Second)
}

// put stores alerts.
func (r *rig) put(list ...alert.Alert) {
	r.t.Helper()
	r.commit(&alert.Commit{Alerts: list})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ok returns the answer of a call that must not fail.
func ok[Req, Res any](t *testing.T, call func(context.Context, Req, ...grpc.CallOption) (Res, error), req Req) Res {
	t.Helper()
	res, err := call(t.Context(), req)
	must(t, err)
	return res
}

// refused checks that a call fails with a kind, a reason and a text in its message.
func refused[Req, Res any](t *testing.T, call func(context.Context, Req, ...grpc.CallOption) (Res, error), req Req, kind fault.Kind, reason, text string) {
	t.Helper()
	res, err := call(t.Context(), req)
	if err == nil {
		t.Errorf("%v: answered %v, want %s", req, res, reason)
		return
	}
	f := fault.FromGRPC(err)
	if f.Kind != kind || f.Reason != reason || !strings.Contains(f.Message, text) {
		t.Errorf("%.200v: refused with %s %s %q, want %s %s %q", req, f.Kind, f.Reason, f.Message, kind, reason, text)
	}
}

// labels returns a label set of names and values.
func labels(pairs ...string) metric.Labels {
	var list []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(list...)
}

// an returns an alert that has been in a state for so long when the rig starts.
func an(state alert.State, age time.Duration, pairs ...string) alert.Alert {
	ls := labels(pairs...)
	since := start.Add(-age).UnixMilli()
	a := alert.Alert{Key: alert.KeyOf("", ls), Labels: ls, State: state, Value: 7, Active: since, Evaluated: start.UnixMilli()}
	switch state {
	case alert.Firing:
		a.Fired = since
	case alert.Resolved:
		a.Fired, a.Resolved = since-60_000, since
	case alert.Pending, alert.Inactive:
	}
	return a
}

// ruleID is the id of a rule of the files.
func ruleID(group, name string) string { return fmt.Sprintf("rules/web.yaml;%s;%s", group, name) }

// ofRule makes an alert one of a rule.
func ofRule(a alert.Alert, id string) alert.Alert {
	a.RuleID, a.Key = id, alert.KeyOf(id, a.Labels)
	return a
}

func names(list []*alertv1.Alert) string {
	var out []string
	for _, a := range list {
		out = append(out, a.GetLabels()[alert.NameLabel])
	}
	return strings.Join(out, " ")
}

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func same(t *testing.T, what string, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
