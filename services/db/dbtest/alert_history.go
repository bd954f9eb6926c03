package dbtest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/alert"
)

var alertHistoryTests = map[string]func(*testing.T, alert.Store){
	"Events":           testAlertsEvents,
	"EpisodePages":     testAlertsEpisodePages,
	"UnmadeEpisodes":   testAlertsUnmade,
	"PurgeHistory":     testAlertsPurge,
	"PurgeHistoryMore": testAlertsPurgeMore,
	"CancelledHistory": testAlertsCancelledHistory,
}

// Newest first; of one time, the one that was stored last.
func testAlertsEvents(t *testing.T, s alert.Store) {
	var events []alert.Event
	for i, at := range []int64{30, 10, 20, 20, 20, 40} {
		events = append(events, event("a", at, alert.EventKind(fmt.Sprint("k", i))))
	}
	commitNow(t, s, &alert.Commit{Events: append(events[:3:3], event("b", 20, "k"), event("", 20, "k"))})
	commitNow(t, s, &alert.Commit{Events: events[3:]})
	kinds := func(key alert.Key, limit int) (out []alert.EventKind) {
		t.Helper()
		list, err := s.Events(t.Context(), key, limit)
		must(t, err)
		for _, e := range list {
			out = append(out, e.Kind)
		}
		return out
	}
	same(t, "events", kinds("a", 10), []alert.EventKind{"k5", "k0", "k4", "k3", "k2", "k1"})
	same(t, "the newest", kinds("a", 3), []alert.EventKind{"k5", "k0", "k4"})
	same(t, "events of another", kinds("b", 10), []alert.EventKind{"k"})
	same(t, "events of the empty key", kinds("", 10), []alert.EventKind{"k"})
	for _, key := range []alert.Key{"A", "unknown", "a\x00", "\xff"} {
		same(t, "number of events", len(kinds(key, 10)), 0)
	}
	same(t, "number of events", len(kinds("a", 0))+len(kinds("a", -1)), 0)
}

func testAlertsEpisodePages(t *testing.T, s alert.Store) {
	var all []alert.Episode
	for i := range 40 {
		key := alert.Key([]string{"b", "a", "B", "ä"}[i%4])
		all = append(all, episode(key, fmt.Sprint("r", i%3), int64(100+i/4), int64(i%2)*500))
	}
	slices.SortFunc(all, func(a, b alert.Episode) int {
		return cmp.Or(cmp.Compare(b.Fired, a.Fired), cmp.Compare(b.Key, a.Key))
	})
	commitNow(t, s, &alert.Commit{Episodes: all})
	for name, page := range map[string]alert.EpisodePage{
		"all": {}, "of a key": {Key: "a"}, "of a rule": {RuleID: "r1"}, "of both": {Key: "b", RuleID: "r2"},
		"from": {From: 103}, "to": {To: 103}, "between": {From: 102, To: 105}, "nothing": {From: 105, To: 105}, "lasting": {Since: 501}, "over": {Since: 500, To: 104}, "unknown": {Key: "x"},
		"of what cannot be": {Key: "a\x00"}, "of what is no text": {RuleID: "\xff"}, "of a quote": {RuleID: "' OR ''='"},
	} {
		for _, limit := range []int{1, 3, 7, 1000} {
			p := page
			p.Limit = limit
			var got []alert.Episode
			for {
				list, err := s.Episodes(t.Context(), p)
				must(t, err)
				if len(list) > limit {
					t.Fatalf("%d episodes, the limit is %d", len(list), limit)
				}
				if len(list) == 0 {
					break
				}
				got = append(got, list...)
				last := list[len(list)-1]
				p.BeforeTime, p.BeforeKey = last.Fired, last.Key
			}
			same(t, fmt.Sprint(name, ", ", limit, " at a time"), got, selected(all, page))
		}
	}
	for _, limit := range []int{0, -1} {
		list, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: limit})
		must(t, err)
		same(t, "number of episodes", len(list), 0)
	}
}

func selected(all []alert.Episode, p alert.EpisodePage) (out []alert.Episode) {
	for _, e := range all {
		if (p.Key == "" || e.Key == p.Key) && (p.RuleID == "" || e.RuleID == p.RuleID) && e.Fired >= p.From && (p.To == 0 || e.Fired < p.To) && (e.Resolved == 0 || e.Resolved >= p.Since) {
			out = append(out, e)
		}
	}
	return out
}

func testAlertsUnmade(t *testing.T, s alert.Store) {
	e := []alert.Episode{episode("b", "r", 2, 0), episode("b", "r", 1, 0), episode("a", "r", 2, 0), episode("a", "r", 1, 0)}
	commitNow(t, s, &alert.Commit{Episodes: e})
	commitNow(t, s, &alert.Commit{Unmade: []alert.EpisodeID{e[1].ID(), {Key: "c", Fired: 2}}})
	list, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: 10})
	must(t, err)
	same(t, "episodes", list, []alert.Episode{e[0], e[2], e[3]})
}

// historyOf returns what is left of what testAlertsPurge stores.
func historyOf(t *testing.T, s alert.Store) (times, fired []int64, ids []string) {
	t.Helper()
	events, err := s.Events(t.Context(), "a", 1000)
	must(t, err)
	for _, e := range events {
		times = append(times, e.Time)
	}
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: 1000})
	must(t, err)
	for _, e := range episodes {
		fired = append(fired, e.Fired)
	}
	list, err := s.Notifications(t.Context(), alert.NotificationPage{Limit: 1000})
	must(t, err)
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	byKey, err := s.Notifications(t.Context(), alert.NotificationPage{Key: "a", Limit: 1000})
	must(t, err)
	if len(byKey) != len(list) {
		t.Errorf("%d notifications, %d of the alert that all are of", len(list), len(byKey))
	}
	return times, fired, ids
}

func testAlertsPurge(t *testing.T, s alert.Store) {
	commitNow(t, s, &alert.Commit{
		Events:   []alert.Event{event("a", 99, "k"), event("a", 100, "k")},
		Episodes: []alert.Episode{episode("a", "r", 1, 0), episode("a", "r", 2, 99), episode("a", "r", 3, 100)},
		Notify: []alert.Notification{
			notification("waits", "r", "1", "a"), notification("delivered", "r", "2", "a"), notification("dead", "r", "3", "a"), notification("later", "r", "4", "a"), notification("superseded", "r", "5", "a"),
		},
	})
	ctx := t.Context()
	must(t, s.Finish(ctx, "delivered", alert.Attempt{Time: 90, Duration: 9, Delivered: true}, alert.Delivered, 0))
	must(t, s.Finish(ctx, "dead", alert.Attempt{Time: 90}, alert.Dead, 0))
	must(t, s.Finish(ctx, "later", alert.Attempt{Time: 90, Duration: 10}, alert.Delivered, 0))
	must(t, s.Finish(ctx, "superseded", alert.Attempt{}, alert.Superseded, 0)) // now, which is later
	must(t, s.Finish(ctx, "waits", alert.Attempt{Time: 1}, alert.Waiting, 5))
	more, err := s.PurgeHistory(ctx, 100, 10)
	must(t, err)
	if more {
		t.Error("there is more")
	}
	times, fired, ids := historyOf(t, s)
	same(t, "events", times, []int64{100})
	same(t, "episodes", fired, []int64{3, 1})
	same(t, "notifications", ids, []string{"superseded", "later", "waits"})
}

func testAlertsPurgeMore(t *testing.T, s alert.Store) {
	var c alert.Commit
	for i := range 5 {
		n := int64(i + 1)
		c.Events = append(c.Events, event("a", n, "k"))
		if i < 4 {
			c.Episodes = append(c.Episodes, episode("a", "r", n, n))
		}
		c.Notify = append(c.Notify, notification(fmt.Sprint("n", n), "r", fmt.Sprint(n), "a"))
	}
	commitNow(t, s, &c)
	for i := range c.Notify {
		must(t, s.Finish(t.Context(), c.Notify[i].ID, alert.Attempt{Time: int64(i + 1)}, alert.Dead, 0))
	}
	for i, want := range []struct {
		events, episodes, notifications int
		more                            bool
	}{{3, 2, 3, true}, {1, 0, 1, true}, {0, 0, 0, false}, {0, 0, 0, false}} {
		more, err := s.PurgeHistory(t.Context(), 100, 2)
		must(t, err)
		times, fired, ids := historyOf(t, s)
		if len(times) != want.events || len(fired) != want.episodes || len(ids) != want.notifications || more != want.more {
			t.Errorf("after %d: %v, %v, %v, more %v, want %+v", i+1, times, fired, ids, more, want)
		}
		if i == 0 {
			same(t, "the oldest are gone", fmt.Sprint(times, fired, ids), "[5 4 3] [4 3] [n5 n4 n3]")
		}
	}
	if more, err := s.PurgeHistory(t.Context(), 100, 0); more || err != nil {
		t.Errorf("without a limit: %v, %v", more, err)
	}
}

func testAlertsCancelledHistory(t *testing.T, s alert.Store) {
	commitNow(t, s, &alert.Commit{Events: []alert.Event{event("a", 1, "k")}, Episodes: []alert.Episode{episode("a", "r", 1, 1)}})
	ctx := cancelled(t)
	if _, err := s.PurgeHistory(ctx, 100, 10); err == nil {
		t.Error("a cancelled purge succeeds")
	}
	if _, err := s.Events(ctx, "a", 1); err == nil {
		t.Error("events are read")
	}
	if _, err := s.Episodes(ctx, alert.EpisodePage{Limit: 1}); err == nil {
		t.Error("episodes are read")
	}
	times, fired, _ := historyOf(t, s)
	same(t, "what is left", len(times)+len(fired), 2)
}
