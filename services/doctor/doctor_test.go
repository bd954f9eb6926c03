package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// silent makes the agent have gone for so long.
func (w *world) silent(d time.Duration) {
	w.agents[0].State = agentsv1.AgentState_AGENT_STATE_DISCONNECTED
	w.agents[0].Collector = ""
	w.agents[0].LastAckTime = timestamppb.New(ago(d))
	w.reports(d, 0)
}

// lag makes storage lag, and read on by so many records until the second look.
func (w *world) lag(d time.Duration, moved int64) {
	look := func(head int64) *statusv1.GetStatusResponse {
		return &statusv1.GetStatusResponse{Nodes: w.status.GetNodes(), LogPartitions: []int32{0}, Partitions: []*statusv1.Partition{
			{FirstOffset: 1, NextOffset: 101, HeadOffset: head, CommittedOffset: 20, StoredBy: "storage-1", LagMs: d.Milliseconds()},
		}}
	}
	w.status, w.second = look(40), look(40+moved)
}

const away = "does not answer: connection refused" // as a node that does not answer has it

// hopCase breaks something and says what must be seen of it.
type hopCase struct {
	change  func(w *world)
	states  string   // of all hops
	hop     string   // whose place, message and advice must have the texts
	texts   []string //
	since   time.Duration
	summary string // must be in it
}

func (c *hopCase) run(t *testing.T) {
	t.Helper()
	w := healthy()
	c.change(w)
	d := w.diagnose(t, "web-1")
	if got := states(d.GetHops()); got != c.states {
		t.Errorf("states are\n%s, want\n%s\n%s", got, c.states, protojson.Format(d))
	}
	if !strings.Contains(d.GetSummary(), c.summary) {
		t.Errorf("summary is %q, want %q in it", d.GetSummary(), c.summary)
	}
	wantHop(t, hopOf(d.GetHops(), c.hop), c.texts, c.since)
	if all := protojson.Format(d); strings.Contains(all, "secret detail") {
		t.Errorf("what is internal is told: %s", all)
	}
}

func wantHop(t *testing.T, h *statusv1.Hop, texts []string, since time.Duration) {
	t.Helper()
	all := h.GetWhere() + " | " + h.GetMessage() + " | " + h.GetAdvice()
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("hop %s: %q lacks %q", h.GetName(), all, text)
		}
	}
	switch {
	case since == 0 && h.GetSince() != nil:
		t.Errorf("hop %s: it is so since %v, want nothing of that", h.GetName(), h.GetSince().AsTime())
	case since != 0 && (h.GetSince() == nil || !h.GetSince().AsTime().Equal(ago(since))):
		t.Errorf("hop %s: it is so since %v, want %v", h.GetName(), h.GetSince().AsTime(), ago(since))
	}
}

// TestEveryTroubleHasAdvice is what the hops are for: whoever reads one that does
// not pass can do something.
func TestEveryTroubleHasAdvice(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"silent": func(w *world) { w.silent(time.Hour) }, "no collectors": func(w *world) { w.silent(time.Hour); w.away("collector-1", "collector-2") },
		"log": func(w *world) { w.trouble(PartLog, "x", "collector-1") }, "storage": func(w *world) { w.away("storage-1", "storage-2") },
		"lag": func(w *world) { w.lag(time.Minute, 0) }, "queries": func(w *world) { w.queryErr = errors.New("x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthy()
			change(w)
			for _, h := range w.diagnose(t, "id-1").GetHops() {
				if (h.GetState() == stateStuck || h.GetState() == stateUnknown) && h.GetAdvice() == "" {
					t.Errorf("hop %s is %s, without advice: %s", h.GetName(), h.GetState(), h.GetMessage())
				}
				if h.GetMessage() == "" || !strings.HasSuffix(h.GetMessage(), ".") {
					t.Errorf("hop %s: message %q", h.GetName(), h.GetMessage())
				}
			}
		})
	}
}

// TestLag checks that a hop says how old the oldest is that waits there.
func TestLag(t *testing.T) {
	t.Parallel()
	w := healthy()
	w.lag(90*time.Second, 1)
	w.put(spoolAge, "", 3*time.Second, 10*time.Minute, 0, constant(600))
	w.agents[0].ClockSkewMs = -15_000
	w.agents[0].LastAckTime = timestamppb.New(ago(4 * time.Minute))
	d := w.diagnose(t, "web-1")
	for name, want := range map[string]int64{hopProbe: 15_000, hopSpool: 600_000, hopStream: 240_000, hopLog: 0, hopStorage: 90_000, hopQuery: 0} {
		if got := hopOf(d.GetHops(), name).GetLagMs(); got != want {
			t.Errorf("hop %s lags by %d ms, want %d: %s", name, got, want, protojson.Format(d))
		}
	}
}

// TestClockOfTheHost checks that samples are looked for where the host's clock put
// them, and that their age is told by the server's.
func TestClockOfTheHost(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-3 * time.Hour, -time.Minute, 0, time.Minute} {
		w := healthy()
		w.agents[0].ClockSkewMs = skew.Milliseconds()
		w.reports(3*time.Second, skew)
		d := w.diagnose(t, "web-1")
		if got := d.GetNewestSampleTime().AsTime(); !got.Equal(ago(3 * time.Second)) {
			t.Errorf("with a clock that is %s ahead the newest sample is of %s", skew, got)
		}
	}
}
