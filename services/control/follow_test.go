package control_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

// A page of the feed that was read before this process changed the agent itself
// neither ends the new session nor brings the old tags back.
func TestFeedOlderThanMemory(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		a.connects(id, 0)
		pass(control.PollEvery)
		must(t, c.update(id, map[string]string{"site": "of c"}))
		var s *control.Session
		a.store.set(func(method string, rows int) error {
			if method != "AgentChanges done" || rows == 0 || s != nil {
				return nil
			}
			s = a.connects(id, 1)
			return a.update(id, map[string]string{"site": "of a"})
		})
		pass(control.PollEvery)
		a.store.set(nil)
		if s == nil {
			t.Fatal("the feed showed nothing")
		}
		if done, cause := over(s); done {
			t.Errorf("the new session ended: %v", cause)
		}
		if got := s.Labels().Get("site"); got != "of a" {
			t.Errorf("site %q", got)
		}
	})
}

// A change between the reading of all agents at the start and the first look at the
// feed is not missed, nor one while all are compared again.
func TestChangeBesideTheScan(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id := a.enrol("web-1")
		must(t, b.stop())
		site := ""
		change := func(to string) {
			site = ""
			b.store.set(func(method string, _ int) error {
				if method != "ScanAgents done" || site != "" {
					return nil
				}
				site = to
				return c.update(id, map[string]string{"site": to})
			})
		}
		change("at the start")
		b.restart()
		b.start()
		pass(control.PollEvery)
		s := b.connects(id, 0)
		if got := s.Labels().Get("site"); got != "at the start" {
			t.Errorf("site %q", got)
		}
		change("while comparing")
		pass(control.RescanEvery + control.PollEvery)
		if got := s.Labels().Get("site"); got != "while comparing" || site != got {
			t.Errorf("site %q", got)
		}
		b.store.set(nil)
	})
}

// Where the feed cannot go on, all is compared.
func TestCursorLost(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		s := a.connects(id, 0)
		pass(control.PollEvery)
		lost := 0
		a.store.set(func(method string, _ int) error {
			if method == "AgentChanges done" && lost == 0 {
				lost++
				return fmt.Errorf("read the feed: %w", control.ErrCursorLost)
			}
			return nil
		})
		must(t, c.update(id, map[string]string{"site": "north"}))
		pass(control.PollEvery)
		a.store.set(nil)
		if got := s.Labels().Get("site"); got != "north" || lost != 1 {
			t.Errorf("site %q, the cursor was lost %d times", got, lost)
		}
		must(t, c.revoke(id)) // and the new cursor is a good one
		pass(control.PollEvery)
		if done, _ := over(s); !done {
			t.Error("the feed is not followed any more")
		}
	})
}

// While the database is away, what is connected goes on; what others changed
// meanwhile is seen when it is back.
func TestDatabaseAway(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id, revoked := a.enrol("web-1"), a.enrol("web-2")
		s, ending := a.connects(id, 0), a.connects(revoked, 0)
		pass(5 * control.PollEvery)
		const age = "esmon_control_registry_follow_age_seconds"
		if got := a.metric(age); got > control.PollEvery.Seconds() {
			t.Errorf("%s is %v", age, got)
		}
		a.fail(errAway)
		b.fail(errAway)
		must(t, c.update(id, map[string]string{"site": "north"}))
		must(t, c.revoke(revoked))
		pass(time.Minute)
		if got := a.metric(age); got < 59 || got > 61 {
			t.Errorf("%s is %v after a minute", age, got)
		}
		s.Acked(time.Now(), 3)
		_, err := a.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Unavailable, "registry_unavailable", "connect again")
		for _, s := range []*control.Session{s, ending} {
			if done, cause := over(s); done {
				t.Errorf("a session ended: %v", cause)
			}
		}
		if _, connected := b.Counts(); connected != 2 {
			t.Errorf("b shows %d agents as connected while it cannot know, want 2", connected)
		}
		acked := time.Now()
		a.fail(nil)
		b.fail(nil)
		pass(control.PollEvery)
		if _, connected := b.Counts(); connected != 1 { // a's lease is renewed in this moment
			t.Errorf("b shows %d agents as connected after the outage, want 1", connected)
		}
		pass(a.cfg.FlushInterval)
		if done, _ := over(ending); !done {
			t.Error("the revocation is not seen")
		}
		if got := s.Labels().Get("site"); got != "north" {
			t.Errorf("site %q", got)
		}
		if got := b.agent(id); !got.GetLastAckTime().AsTime().Equal(acked) || got.GetClockSkewMs() != 3 || got.GetCollector() != "a" {
			t.Errorf("b shows %v", got)
		}
	})
}

// What fails every second is logged when it begins and when it ends.
func TestFollowingLogs(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, _ *member) {
		must(t, a.stop())
		var text strings.Builder
		a.log = slog.New(slog.NewTextHandler(&text, nil))
		a.restart()
		a.start()
		pass(control.PollEvery)
		a.fail(errAway)
		pass(30 * control.PollEvery)
		a.fail(nil)
		pass(control.PollEvery)
		must(t, a.stop())
		if n := strings.Count(text.String(), "following the registry of agents failed"); n != 1 || !strings.Contains(text.String(), "connection refused") {
			t.Errorf("%d lines say that it failed: %s", n, text.String())
		}
		if n := strings.Count(text.String(), "is followed again"); n != 1 {
			t.Errorf("%d lines say that it works: %s", n, text.String())
		}
	})
}
