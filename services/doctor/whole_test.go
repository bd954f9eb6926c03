package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	"github.com/esolutions/esmon/services/fault"
)

// fleet makes agents that were last acknowledged so long ago; zero for never.
func (w *world) fleet(ages ...time.Duration) {
	w.agents = nil
	for i, age := range ages {
		a := &agentsv1.Agent{Id: fmt.Sprintf("id-%d", i), HostName: fmt.Sprintf("web-%d", i), State: agentsv1.AgentState_AGENT_STATE_CONNECTED, EnrolTime: timestamppb.New(ago(48 * time.Hour))}
		if age > 0 {
			a.LastAckTime = timestamppb.New(ago(age))
		}
		if age > time.Hour {
			a.State = agentsv1.AgentState_AGENT_STATE_DISCONNECTED
		}
		w.agents = append(w.agents, a)
	}
}

// TestPlatform breaks one thing at a time. states are those of stream, log, storage
// and query.
func TestPlatform(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(w *world)
		states  string
		hop     string
		texts   []string
		summary string
		nodes   string
	}{
		"all well":  {func(*world) {}, "ok ok ok ok", hopStream, []string{"Of 1 agent, each had something acknowledged"}, "the platform: all is well.", ""},
		"no agents": {func(w *world) { w.agents = nil }, "ok ok ok ok", hopStream, []string{"No agent is enrolled."}, "all is well", ""},
		"some late": {
			func(w *world) { w.fleet(time.Second, 2*time.Hour, 2*time.Minute) }, "late ok ok ok",
			hopStream, []string{"Of 3 agents, 2 had nothing acknowledged for a minute or longer; 1 of these without a connection", "`esmon doctor AGENT`"}, "see the hop stream", "",
		},
		"all late":      {func(w *world) { w.fleet(2*time.Hour, 2*time.Hour) }, "stuck ok ok ok", hopStream, []string{"2 of these without a connection"}, "stuck at the hop stream", ""},
		"no collectors": {func(w *world) { w.away("collector-1", "collector-2") }, "stuck unknown ok ok", hopStream, []string{"No collector answers"}, "stuck at the hop stream (10.0.0.2:9, 10.0.0.3:9)", "10.0.0.2:9 10.0.0.3:9"},
		"one collector": {func(w *world) { w.away("collector-2") }, "ok ok ok ok", hopLog, nil, "all is well", "10.0.0.3:9"},
		"broker down": {func(w *world) {
			w.fleet(5*time.Minute, 5*time.Minute)
			w.trouble(PartLog, "no connection", "collector-1", "collector-2")
		}, "late stuck ok ok", hopStream, []string{"see the hop log"}, "stuck at the hop log (from collector-1", "10.0.0.2:9 10.0.0.3:9"},
		"storage down": {func(w *world) {
			w.away("storage-1", "storage-2")
			w.status.Partitions = nil
			w.queryErr = errors.New("x")
		}, "ok ok stuck stuck", hopStorage, []string{"No storage node answers"}, "stuck at the hop storage", "10.0.0.4:9 10.0.0.5:9"},
		"storage lags":   {func(w *world) { w.lag(time.Minute, 5) }, "ok ok late ok", hopStorage, []string{"wait to be read, the oldest for 1m0s"}, "see the hop storage", ""},
		"a node is away": {func(w *world) { w.away("storage-2") }, "ok ok late ok", hopQuery, []string{"1 of 2 nodes that answer them are away"}, "see the hop storage", "10.0.0.5:9"},
		"registry away":  {func(w *world) { w.agentsErr = errors.New("secret detail") }, "unknown ok ok ok", hopStream, []string{"internal error", "target control"}, "not to be seen from here: stream", ""},
		"one process":    {func(w *world) { w.alone(); w.status.Ready = false; w.status.Reasons = []string{"storage: x"} }, "ok ok ok ok", hopLog, nil, "all is well", "the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthy()
			c.change(w)
			d, err := w.doctor().DiagnosePlatform(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := states(d.GetHops()); got != c.states {
				t.Errorf("states are %s, want %s\n%s", got, c.states, protojson.Format(d))
			}
			if !strings.Contains(d.GetSummary(), c.summary) {
				t.Errorf("summary is %q, want %q in it", d.GetSummary(), c.summary)
			}
			h := hopOf(d.GetHops(), c.hop)
			for _, text := range c.texts {
				if all := h.GetMessage() + h.GetAdvice(); !strings.Contains(all, text) {
					t.Errorf("%q lacks %q", all, text)
				}
			}
			var nodes []string
			for _, n := range d.GetNodes() {
				if n.GetAddress() != "" {
					nodes = append(nodes, n.GetAddress())
				} else {
					nodes = append(nodes, n.GetName())
				}
			}
			if got := strings.Join(nodes, " "); got != c.nodes {
				t.Errorf("nodes with trouble: %q, want %q", got, c.nodes)
			}
			if strings.Contains(protojson.Format(d), "secret detail") {
				t.Error("what is internal is told")
			}
		})
	}
}

func TestWorstAgents(t *testing.T) {
	t.Parallel()
	w := healthy()
	ages := []time.Duration{time.Second, 3 * time.Hour, 0, 5 * time.Minute}
	for range 20 {
		ages = append(ages, 2*time.Second)
	}
	w.fleet(ages...)
	w.more("id-r", "gone", "", agentsv1.AgentState_AGENT_STATE_REVOKED)
	for worst, want := range map[int]int{0: 10, 3: 3, 1000: 24} {
		d, err := w.doctor().DiagnosePlatform(t.Context(), worst)
		if err != nil {
			t.Fatal(err)
		}
		a := d.GetAgents()
		if len(a) != want || d.GetAgentsLate() != 3 || d.GetAgentsSeen() != 24 {
			t.Fatalf("asked for %d: %d agents of %d, %d late", worst, len(a), d.GetAgentsSeen(), d.GetAgentsLate())
		}
		if a[0].GetAgent() != "id-2" || a[0].GetLastAckTime() != nil || a[0].GetLagMs() != (48*time.Hour).Milliseconds() ||
			a[1].GetHostName() != "web-1" || a[1].GetState() != "disconnected" || a[1].GetLagMs() != (3*time.Hour).Milliseconds() || a[2].GetAgent() != "id-3" {
			t.Errorf("the worst are %v", a[:3])
		}
	}
	for _, worst := range []int{-1, 1001} {
		if _, err := w.doctor().DiagnosePlatform(t.Context(), worst); fault.KindOf(err) != fault.Invalid {
			t.Errorf("asked for %d: %v", worst, err)
		}
	}
}
