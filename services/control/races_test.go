package control_test

import (
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

func TestNewestStreamWinsAcrossCollectors(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		first := a.connect(id, 0, 1)
		pass(control.PollEvery)
		second := b.connect(id, 1, 2)
		pass(control.PollEvery)
		_, cause := over(first)
		wantFault(t, cause, fault.Conflict, "superseded", id, "opened a newer stream")
		first.Close() // the old stream's end is not the new one's
		pass(a.cfg.FlushInterval)
		third := a.connect(id, 1, 2) // the welcome was lost: the same counter, and yet a newer stream
		pass(control.PollEvery)
		_, cause = over(second)
		wantFault(t, cause, fault.Conflict, "superseded")
		pass(2 * a.cfg.FlushInterval)
		if done, cause := over(third); done {
			t.Errorf("the newest stream ended, too: %v", cause)
		}
		for _, m := range []*member{a, b, c} {
			if got := m.agent(id); got.GetState().String() != "AGENT_STATE_CONNECTED" || got.GetCollector() != "a" {
				t.Errorf("node %q shows it %v at %q", m.shared.Node, got.GetState(), got.GetCollector())
			}
		}
	})
}

// Both collectors read the row, then both write: one is refused and may try again.
func TestConnectsThatCross(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		pass(control.PollEvery)
		var both sync.WaitGroup
		both.Add(2)
		for _, m := range []*member{a, b} {
			m.store.set(func(method string, _ int) error {
				if method == "SaveConnects" {
					both.Done()
					both.Wait()
				}
				return nil
			})
		}
		sessions, errs := connectAtOnce(id, 0, a, b)
		a.store.set(nil)
		b.store.set(nil)
		won, lost := 0, 1
		if errs[0] != nil {
			won, lost = 1, 0
		}
		must(t, errs[won])
		wantFault(t, errs[lost], fault.Unavailable, "connect_overtaken", id, "at another collector", "connect again")
		pass(control.PollEvery)
		if done, cause := over(sessions[won]); done {
			t.Errorf("the one that went on ended: %v", cause)
		}
		again := []*member{a, b}[lost].connect(id, 0, 1) // and displaces the other: it is newer
		pass(control.PollEvery)
		if done, _ := over(sessions[won]); !done {
			t.Error("two sessions are open")
		}
		if done, cause := over(again); done {
			t.Errorf("the newest one ended: %v", cause)
		}
	})
}

// connectAtOnce opens a session of the agent at each of the members.
func connectAtOnce(id string, counter uint64, members ...*member) ([]*control.Session, []error) {
	sessions, errs := make([]*control.Session, len(members)), make([]error, len(members))
	var group sync.WaitGroup
	for i, m := range members {
		group.Go(func() { sessions[i], errs[i] = m.Connect(m.Context(), id, hello(counter)) })
	}
	group.Wait()
	return sessions, errs
}

// However two connects fall, one session is left, and it is the one of the row.
func TestRacingConnects(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		pass(control.PollEvery)
		counter := uint64(0)
		for round := range 60 {
			sessions, errs := connectAtOnce(id, counter, a, b, a, b)
			pass(control.PollEvery)
			open := 0
			for i, s := range sessions {
				if errs[i] != nil {
					wantFault(t, errs[i], fault.Unavailable, "connect_overtaken")
					continue
				}
				if done, _ := over(s); !done {
					open++
					counter = s.Counter()
				}
			}
			if stored := a.stored(id); open != 1 || stored.Counter != counter {
				t.Fatalf("round %d: %d sessions are open, the last with counter %d; stored is %d", round, open, counter, stored.Counter)
			}
		}
	})
}

// A collector knows of a copy what another one learnt, well before the next flush.
func TestCopyAcrossCollectors(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		a.connect(id, 0, 1).Acked(time.Now(), 0)
		pass(control.PollEvery)
		b.connect(id, 1, 2).Acked(time.Now(), 0)
		pass(control.PollEvery)
		_, err := a.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Denied, "identity_cloned", "counter 1, but 2 was given out")
		pass(control.PollEvery)
		for _, m := range []*member{b, c} {
			if got := m.agent(id).GetState().String(); got != "AGENT_STATE_CLONED" {
				t.Errorf("node %q shows it %s", m.shared.Node, got)
			}
		}
	})
}

// A revocation between the reading of the row and the connect's write wins.
func TestRevokedWhileConnecting(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		a.store.set(func(method string, _ int) error {
			if method == "SaveConnects" {
				return c.revoke(id)
			}
			return nil
		})
		_, err := a.Connect(t.Context(), id, hello(0))
		wantFault(t, err, fault.Denied, "identity_revoked")
		if got := a.stored(id); got.Counter != 0 {
			t.Errorf("the connect was stored with counter %d", got.Counter)
		}
	})
}
