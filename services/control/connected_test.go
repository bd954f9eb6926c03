package control_test

import (
	"testing"
	"time"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

// shows checks the state that a member shows of the agent, in its list as alone.
func (m *member) shows(id, state, collector string) {
	m.Helper()
	res, err := m.AgentsService().ListAgents(m.Context(), &agentsv1.ListAgentsRequest{})
	must(m.T, err)
	for _, a := range append(res.GetAgents(), m.agent(id)) {
		if a.GetId() == id && (a.GetState().String() != "AGENT_STATE_"+state || a.GetCollector() != collector) {
			m.Errorf("node %q shows it %s at %q, want %s at %q", m.shared.Node, a.GetState(), a.GetCollector(), state, collector)
		}
	}
}

func TestConnectedElsewhere(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		s := a.connects(id, 0)
		pass(control.PollEvery)
		for _, m := range []*member{a, b, c} {
			m.shows(id, "CONNECTED", "a")
		}
		s.Close()
		a.shows(id, "DISCONNECTED", "")
		pass(a.cfg.FlushInterval)
		for _, m := range []*member{a, b, c} {
			m.shows(id, "DISCONNECTED", "")
		}
		b.connects(id, 1)
		pass(control.PollEvery)
		for _, m := range []*member{a, b, c} {
			m.shows(id, "CONNECTED", "b")
			if enrolled, connected := m.Counts(); enrolled != 1 || connected != 1 {
				t.Errorf("node %q counts %d enrolled, %d connected", m.shared.Node, enrolled, connected)
			}
		}
		if got := c.metric("esmon_agents", "state", "connected"); got != 1 {
			t.Errorf("%v agents are connected", got)
		}
	})
}

// An agent that comes back to its collector before the end of its last stream was
// stored is connected.
func TestReconnectBeforeTheCloseIsStored(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		a.connects(id, 0).Close()
		s := a.connects(id, 1)
		pass(2 * a.cfg.FlushInterval)
		b.shows(id, "CONNECTED", "a")
		if done, cause := over(s); done {
			t.Errorf("the new session ended: %v", cause)
		}
	})
}

// The end of a session that could not be stored is stored later.
func TestCloseThatCannotBeStored(t *testing.T) {
	cluster(t, func(_ *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		s := a.connects(id, 0)
		a.store.set(func(method string, _ int) error {
			if method == "SaveClosed" {
				return errAway
			}
			return nil
		})
		s.Close()
		pass(2 * a.cfg.FlushInterval)
		b.shows(id, "CONNECTED", "a")
		a.store.set(nil)
		pass(a.cfg.FlushInterval)
		b.shows(id, "DISCONNECTED", "")
	})
}

// A connect whose write failed after its commit is not shown as connected for long.
func TestConnectStoredButNotOpened(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		a.store.set(func(method string, _ int) error {
			if method == "SaveConnects done" {
				return errAway
			}
			return nil
		})
		_, err := a.Connect(t.Context(), id, hello(0))
		wantFault(t, err, fault.Unavailable, "registry_unavailable")
		a.store.set(nil)
		if got := a.stored(id); got.Node == "" {
			t.Fatal("the connect was not stored")
		}
		pass(a.cfg.FlushInterval)
		b.shows(id, "DISCONNECTED", "")
		if got := a.stored(id); got.Node != "" {
			t.Errorf("the row still shows it at %q", got.Node)
		}
	})
}

func TestCollectorThatDies(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		a.connects(id, 0)
		pass(3 * time.Minute) // without a word of the agent
		c.shows(id, "CONNECTED", "a")
		a.die()
		pass(control.NodeTTL / 2)
		c.shows(id, "CONNECTED", "a")
		pass(control.NodeTTL/2 + control.NodeMisses*control.PollEvery)
		for _, m := range []*member{b, c} {
			m.shows(id, "DISCONNECTED", "")
			if _, connected := m.Counts(); connected != 0 {
				t.Errorf("node %q counts %d connected", m.shared.Node, connected)
			}
		}
		a.reborn() // another run of the same node: the agent is not there yet
		pass(control.PollEvery)
		a.shows(id, "DISCONNECTED", "")
		c.shows(id, "DISCONNECTED", "")
		a.connects(id, 1)
		pass(control.PollEvery)
		c.shows(id, "CONNECTED", "a")
	})
}

// A collector that is stopped is gone at once, its agents with it.
func TestCollectorThatStops(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		a.connects(id, 0)
		pass(control.PollEvery)
		must(t, a.stop())
		pass(control.NodeMisses * control.PollEvery)
		c.shows(id, "DISCONNECTED", "")
	})
}

// Acknowledgements are shown by every process: at once where they were given, and
// elsewhere after a flush. Those of an older session take nothing back.
func TestAcknowledgementsElsewhere(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		first := a.connects(id, 0)
		first.Acked(time.Now(), 1)
		pass(control.PollEvery)
		acked := time.Now()
		first.Acked(acked, -250)
		wantAck(t, a, id, acked, -250)
		pass(a.cfg.FlushInterval)
		wantAck(t, b, id, acked, -250)

		a.store.set(func(method string, _ int) error { // a's flush is late
			if method == "SaveSeen" {
				return errAway
			}
			return nil
		})
		first.Acked(time.Now(), 7)
		pass(control.PollEvery)
		second := b.connects(id, 1)
		pass(control.PollEvery)
		newest := time.Now()
		second.Acked(newest, 20)
		pass(b.cfg.FlushInterval)
		a.store.set(nil)
		pass(a.cfg.FlushInterval)
		for _, m := range []*member{a, b, c} {
			wantAck(t, m, id, newest, 20)
		}
		if got := a.stored(id); got.Confirmed != 2 {
			t.Errorf("confirmed is %d, want 2", got.Confirmed)
		}
	})
}

// What others change takes back no acknowledgement that is not stored yet.
func TestAcknowledgementBesideAChange(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		s := a.connects(id, 0)
		s.Acked(time.Now(), 1)
		pass(control.PollEvery)
		acked := time.Now()
		s.Acked(acked, 2)
		must(t, c.update(id, map[string]string{"site": "north"}))
		pass(control.PollEvery)
		if got := s.Labels().Get("site"); got != "north" {
			t.Errorf("site %q", got)
		}
		wantAck(t, a, id, acked, 2)
		pass(a.cfg.FlushInterval)
		wantAck(t, c, id, acked, 2)
	})
}

func wantAck(t *testing.T, m *member, id string, at time.Time, skew int64) {
	t.Helper()
	got := m.agent(id)
	if !got.GetLastAckTime().AsTime().Equal(at) || got.GetClockSkewMs() != skew {
		t.Errorf("node %q shows the last acknowledgement at %v with skew %d, want %v with %d", m.shared.Node, got.GetLastAckTime().AsTime(), got.GetClockSkewMs(), at, skew)
	}
}
