package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is now in all tests.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// world is a platform as a doctor sees it: several processes, one agent, web-1, all
// well. Tests change it.
type world struct {
	mu     sync.Mutex // guards looks
	looks  int
	agents []*agentsv1.Agent
	status *statusv1.GetStatusResponse
	second *statusv1.GetStatusResponse // what the second look finds; status if nil
	series []*queryv1.Series
	names  []*queryv1.Series // series without samples, of all time

	agentsErr, statusErr, queryErr error
	asked                          []string // expressions
	times                          []time.Time
}

func healthy() *world {
	w := &world{
		agents: []*agentsv1.Agent{{
			Id: "id-1", HostName: "web-1", HostId: "host-1", State: agentsv1.AgentState_AGENT_STATE_CONNECTED, Collector: "collector-1",
			EnrolTime: timestamppb.New(ago(48 * time.Hour)), LastAckTime: timestamppb.New(ago(3 * time.Second)),
			CertificateExpireTime: timestamppb.New(noon.Add(20 * 24 * time.Hour)),
		}},
		status: &statusv1.GetStatusResponse{
			Agents: 3, AgentsConnected: 3, LogPartitions: []int32{0}, Ready: true,
			Partitions: []*statusv1.Partition{{FirstOffset: 1, NextOffset: 101, HeadOffset: 101, CommittedOffset: 91, StoredBy: "storage-1"}},
			Nodes: []*statusv1.Node{
				node("control", "10.0.0.1:9", "control"), node("collector-1", "10.0.0.2:9", "collector"), node("collector-2", "10.0.0.3:9", "collector"),
				node("storage-1", "10.0.0.4:9", "storage"), node("storage-2", "10.0.0.5:9", "storage"), node("gateway", "10.0.0.6:9", "gateway"),
			},
		},
	}
	w.reports(3*time.Second, 0)
	return w
}

func node(name, address string, targets ...string) *statusv1.Node {
	return &statusv1.Node{Name: name, Address: address, Targets: targets, Ready: true}
}

// away makes the nodes answer no more.
func (w *world) away(names ...string) {
	for i, n := range w.status.GetNodes() {
		if slices.Contains(names, n.GetName()) {
			w.status.Nodes[i] = &statusv1.Node{Address: n.GetAddress(), Targets: n.GetTargets(), Reasons: []string{"does not answer: connection refused"}}
		}
	}
}

// trouble gives the nodes a trouble since five minutes.
func (w *world) trouble(part, message string, names ...string) {
	for _, n := range w.status.GetNodes() {
		if slices.Contains(names, n.GetName()) {
			n.Ready = false
			n.Troubles = append(n.Troubles, &statusv1.Trouble{Part: part, Message: message, Since: timestamppb.New(ago(5 * time.Minute))})
		}
	}
}

// alone makes one process of the platform.
func (w *world) alone() {
	w.status.Nodes = nil
	w.status.Partitions[0].StoredBy = ""
	w.agents[0].Collector = ""
}

// reports makes the agent's own series: every ten seconds for ten minutes, the
// newest of the age, by a clock that is ahead by skew.
func (w *world) reports(age, skew time.Duration) {
	w.series = nil
	for _, s := range []struct {
		name, label string
		value       func(at time.Time) float64
	}{
		{spoolAge, "", constant(0)}, {spoolBytes, "", constant(0)}, {spoolSamples, "", constant(0)},
		{lost, "reason=spool_age", constant(7)}, {refused, "reason=label_twice", constant(4)},
		{interval, "probe=agent", constant(10)}, {interval, "probe=cpu", constant(10)}, {interval, "probe=disk", constant(60)},
		{failures, "probe=agent", constant(0)}, {failures, "probe=cpu", constant(2)}, {failures, "probe=disk", constant(0)},
		{hanging, "probe=cpu", constant(0)}, {hanging, "probe=disk", constant(0)},
		{lastRun, "probe=agent", unix}, {lastRun, "probe=cpu", unix}, {lastRun, "probe=disk", unix},
	} {
		w.put(s.name, s.label, age, age+10*time.Minute, skew, s.value)
	}
}

func constant(v float64) func(time.Time) float64 { return func(time.Time) float64 { return v } }

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// put puts samples of one series, from newest to oldest age, in place of the one
// that is there.
func (w *world) put(name, label string, newest, oldest, skew time.Duration, value func(at time.Time) float64) {
	labels := map[string]string{"__name__": name, "host_name": "web-1", "host_id": "host-1"}
	if k, v, ok := strings.Cut(label, "="); ok {
		labels[k] = v
	}
	s := &queryv1.Series{Labels: labels}
	for age := newest + (oldest - newest).Truncate(10*time.Second); age >= newest; age -= 10 * time.Second {
		at := ago(age).Add(skew)
		s.Samples = append(s.Samples, &queryv1.Sample{TimestampMs: at.UnixMilli(), Value: value(at)})
	}
	w.series = slices.DeleteFunc(w.series, func(have *queryv1.Series) bool { return fmt.Sprint(have.GetLabels()) == fmt.Sprint(labels) })
	w.series = append(w.series, s)
}

func (w *world) GetAgent(_ context.Context, req *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	if w.agentsErr != nil {
		return nil, w.agentsErr
	}
	for _, a := range w.agents {
		if a.GetId() == req.GetId() {
			return &agentsv1.GetAgentResponse{Agent: a}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "agent_unknown", "no agent %s", req.GetId())
}

// ListAgents gives one agent a page, so that paging is done.
func (w *world) ListAgents(_ context.Context, req *agentsv1.ListAgentsRequest) (*agentsv1.ListAgentsResponse, error) {
	if w.agentsErr != nil {
		return nil, w.agentsErr
	}
	all := matching(w.agents, func(a *agentsv1.Agent) bool { return strings.Contains(a.GetHostName(), req.GetHostNameContains()) })
	at := 0
	if req.GetPageToken() != "" {
		if _, err := fmt.Sscan(req.GetPageToken(), &at); err != nil {
			return nil, err
		}
	}
	if at >= len(all) {
		return &agentsv1.ListAgentsResponse{}, nil
	}
	res := &agentsv1.ListAgentsResponse{Agents: all[at : at+1]}
	if at+1 < len(all) {
		res.NextPageToken = fmt.Sprint(at + 1)
	}
	return res, nil
}

// Query answers with the samples in the span and of the host that the expression
// names.
func (w *world) Query(_ context.Context, req *queryv1.QueryRequest) (*queryv1.QueryResponse, error) {
	w.asked, w.times = append(w.asked, req.GetQuery()), append(w.times, req.GetTime().AsTime())
	if w.queryErr != nil {
		return nil, w.queryErr
	}
	if req.GetTime() == nil {
		return &queryv1.QueryResponse{}, nil
	}
	_, span, _ := strings.Cut(req.GetQuery(), "[")
	d, err := time.ParseDuration(strings.TrimSuffix(span, "]"))
	if err != nil {
		return nil, err
	}
	end := req.GetTime().AsTime()
	res := &queryv1.QueryResponse{ResultType: "matrix"}
	for _, s := range w.series {
		if !strings.Contains(req.GetQuery(), fmt.Sprintf("host_name=%q", s.GetLabels()["host_name"])) || !strings.Contains(req.GetQuery(), s.GetLabels()["__name__"]) {
			continue
		}
		out := &queryv1.Series{Labels: s.GetLabels()}
		for _, x := range s.GetSamples() {
			if at := time.UnixMilli(x.GetTimestampMs()); at.After(end.Add(-d)) && !at.After(end) {
				out.Samples = append(out.Samples, x)
			}
		}
		if len(out.GetSamples()) > 0 {
			res.Series = append(res.Series, out)
		}
	}
	return res, nil
}

func (w *world) ListSeries(_ context.Context, req *queryv1.ListSeriesRequest) (*queryv1.ListSeriesResponse, error) {
	if w.queryErr != nil {
		return nil, w.queryErr
	}
	res := &queryv1.ListSeriesResponse{}
	for _, s := range w.names {
		for k, v := range s.GetLabels() {
			if req.GetMatch()[0] == fmt.Sprintf("%s{%s=%q}", selfMetric, k, v) {
				res.Series = append(res.Series, s)
			}
		}
	}
	return res, nil
}

func (w *world) getStatus(context.Context) (*statusv1.GetStatusResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if w.looks > 1 && w.second != nil {
		return w.second, w.statusErr
	}
	return w.status, w.statusErr
}

func (w *world) doctor() *Doctor {
	return New(Deps{
		Agents: w, Queries: w, Status: w.getStatus, Now: func() time.Time { return noon }, SecondLook: time.Millisecond,
		Partition: func(_ string, partitions int) int { return partitions - 1 },
	}, slog.New(slog.DiscardHandler))
}

func (w *world) diagnose(t *testing.T, ref string) *statusv1.DiagnoseAgentResponse {
	t.Helper()
	res, err := w.doctor().DiagnoseAgent(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// states writes the states of hops as the tables do.
func states(hops []*statusv1.Hop) string {
	var all []string
	for _, h := range hops {
		all = append(all, strings.ToLower(strings.TrimPrefix(h.GetState().String(), "HOP_STATE_")))
	}
	return strings.Join(all, " ")
}

func hopOf(hops []*statusv1.Hop, name string) *statusv1.Hop {
	i := slices.IndexFunc(hops, func(h *statusv1.Hop) bool { return h.GetName() == name })
	if i < 0 {
		return nil
	}
	return hops[i]
}
