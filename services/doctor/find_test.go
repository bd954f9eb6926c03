package doctor

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/fault"
)

// more adds an agent.
func (w *world) more(id, host, hostID string, state agentsv1.AgentState) {
	w.agents = append(w.agents, &agentsv1.Agent{Id: id, HostName: host, HostId: hostID, State: state, EnrolTime: timestamppb.New(ago(time.Hour))})
}

// once makes there have been series of the host.
func (w *world) once(host, hostID string) {
	w.names = append(w.names, &queryv1.Series{Labels: map[string]string{"__name__": selfMetric, "host_name": host, "host_id": hostID}})
}

func TestFind(t *testing.T) {
	t.Parallel()
	const gone, here = agentsv1.AgentState_AGENT_STATE_REVOKED, agentsv1.AgentState_AGENT_STATE_CONNECTED
	for name, c := range map[string]struct {
		change func(*world)
		ref    string
		id     string
		notes  string
	}{
		"by id":             {func(*world) {}, "id-1", "id-1", ""},
		"by host name":      {func(*world) {}, "web-1", "id-1", ""},
		"in other letters":  {func(w *world) { w.more("id-2", "WEB-2", "host-2", here) }, "WEB-2", "id-2", ""},
		"not one like it":   {func(w *world) { w.more("id-2", "web-10", "host-2", here) }, "web-1", "id-1", ""},
		"enrolled again":    {func(w *world) { w.more("id-0", "web-1", "host-1", gone) }, "web-1", "id-1", "There are also 1 revoked agents with this host name."},
		"only a revoked":    {func(w *world) { w.agents[0].State = gone }, "web-1", "id-1", ""},
		"renamed, by id":    {func(w *world) { w.once("web-1", "host-1"); w.once("old", "host-1") }, "id-1", "id-1", `The host is called web-1 now; older series have the label host_name="old".`},
		"renamed, by name":  {func(w *world) { w.once("old", "host-1") }, "old", "id-1", `The host is called web-1 now; older series have the label host_name="old".`},
		"never renamed":     {func(w *world) { w.once("web-1", "host-1") }, "web-1", "id-1", ""},
		"a copied image":    {func(w *world) { w.once("web-2", "host-1"); w.more("id-2", "web-2", "host-1", here) }, "web-1", "id-1", ""},
		"without a host id": {func(w *world) { w.agents[0].HostId = ""; w.once("old", "") }, "web-1", "id-1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthy()
			c.change(w)
			d := w.diagnose(t, c.ref)
			if notes := strings.Join(d.GetNotes(), "|"); d.GetAgent() != c.id || notes != c.notes {
				t.Errorf("got %s with %q, want %s with %q", d.GetAgent(), notes, c.id, c.notes)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	const here = agentsv1.AgentState_AGENT_STATE_DISCONNECTED
	for name, c := range map[string]struct {
		change func(*world)
		ref    string
		kind   fault.Kind
		reason string
		texts  []string
	}{
		"nobody":            {func(*world) {}, "db-1", fault.NotFound, "agent_unknown", []string{`"db-1"`, "`esmon agents`"}},
		"similar":           {func(*world) {}, "web", fault.NotFound, "agent_unknown", []string{"with such a name: web-1"}},
		"two":               {func(w *world) { w.more("id-2", "web-1", "host-2", here) }, "web-1", fault.Conflict, "agent_ambiguous", []string{"2 agents have the host name web-1", "id-1 (connected, last acknowledged 2026-11-26T11:59:57Z)", "id-2 (disconnected, never acknowledged)"}},
		"renamed to two":    {func(w *world) { w.once("old", "host-1"); w.more("id-2", "web-2", "host-1", here) }, "old", fault.Conflict, "agent_ambiguous", []string{"2 agents have its host id", "id-2"}},
		"renamed, and gone": {func(w *world) { w.once("old", "host-9") }, "old", fault.NotFound, "agent_unknown", nil},
		"no name":           {func(*world) {}, "", fault.Invalid, "agent_invalid", []string{"host"}},
		"too long":          {func(*world) {}, strings.Repeat("x", maxRef+1), fault.Invalid, "agent_invalid", nil},
		"not UTF-8":         {func(*world) {}, "web\xff", fault.Invalid, "agent_invalid", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthy()
			c.change(w)
			d, err := w.doctor().DiagnoseAgent(t.Context(), c.ref)
			if err == nil {
				t.Fatalf("got %v", d)
			}
			if fault.KindOf(err) != c.kind || fault.ReasonOf(err) != c.reason {
				t.Errorf("got %v", err)
			}
			for _, text := range c.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q lacks %q", err, text)
				}
			}
		})
	}
}

// TestQuotes checks that a host's name cannot end the string that it stands in.
func TestQuotes(t *testing.T) {
	t.Parallel()
	w := healthy()
	w.agents[0].HostName = `a"} or vector(1) or x{b="`
	w.diagnose(t, "id-1")
	if want := `,host_name="a\"} or vector(1) or x{b=\"",host_id="host-1"}[600s]`; !strings.HasSuffix(w.asked[0], want) {
		t.Errorf("asked %s, want %s at the end", w.asked[0], want)
	}
}

// TestPartitionOfAnAgent checks that of several partitions that of the agent counts.
func TestPartitionOfAnAgent(t *testing.T) {
	t.Parallel()
	w := healthy()
	w.status.LogPartitions = []int32{0, 1}
	first := w.status.GetPartitions()[0]
	w.lag(time.Hour, 0)
	w.status.LogPartitions, w.second.LogPartitions = []int32{0, 1}, []int32{0, 1}
	first.Partition = 1
	w.status.Partitions, w.second.Partitions = append(w.status.Partitions, first), append(w.second.Partitions, first)
	h := hopOf(w.diagnose(t, "web-1").GetHops(), hopStorage)
	if h.GetState() != stateOK || !strings.HasPrefix(h.GetWhere(), "partition 1 on storage-1") {
		t.Errorf("got %v", h)
	}
	res, err := w.doctor().DiagnosePlatform(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if h := hopOf(res.GetHops(), hopStorage); h.GetState() != stateStuck || !strings.HasPrefix(h.GetWhere(), "partition 0 on storage-1") {
		t.Errorf("of the platform, got %v", h)
	}
}
