package dbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// RunAlerts checks that a database keeps what alerting knows as alert.Store says. open
// returns an empty store that is closed when the test ends.
func RunAlerts(t *testing.T, open func(t *testing.T) alert.Store) {
	for _, tests := range []map[string]func(*testing.T, alert.Store){alertStateTests, alertOperatorTests, alertHistoryTests, alertOutboxTests} {
		for name, run := range tests {
			t.Run(name, func(t *testing.T) { t.Parallel(); run(t, open(t)) })
		}
	}
}

// sameJSON compares what is kept: values that are no numbers, too.
func sameJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.MarshalIndent(got, "", " ")
	must(t, err)
	w, err := json.MarshalIndent(want, "", " ")
	must(t, err)
	if string(g) != string(w) {
		t.Errorf("%s:\ngot  %.3000s\nwant %.3000s", what, g, w)
	}
}

// leadAs leads and returns the epoch.
func leadAs(t *testing.T, s alert.Store, holder string) int64 {
	t.Helper()
	epoch, _, err := s.Lead(t.Context(), holder)
	must(t, err)
	return epoch
}

// commitNow leads and commits.
func commitNow(t *testing.T, s alert.Store, c *alert.Commit) {
	t.Helper()
	must(t, s.Commit(t.Context(), leadAs(t, s, "test"), c))
}

func stateOf(t *testing.T, s alert.Store) alert.Snapshot {
	t.Helper()
	state, err := s.State(t.Context())
	must(t, err)
	return state
}

func versionOf(t *testing.T, s alert.Store) int64 {
	t.Helper()
	v, err := s.Version(t.Context())
	must(t, err)
	return v
}

// grown checks that the version is another one than before, and a higher one. It
// returns it.
func grown(t *testing.T, s alert.Store, what string, before int64) int64 {
	t.Helper()
	v := versionOf(t, s)
	if v <= before {
		t.Errorf("%s: the version is %d, it was %d", what, v, before)
	}
	return v
}

func firing(name string, value float64) alert.Alert {
	labels := metric.NewLabels(metric.Label{Name: alert.NameLabel, Value: name}, metric.Label{Name: "host_name", Value: "web-1"})
	return alert.Alert{
		Key: alert.KeyOf("rule", labels), RuleID: "rule", Labels: labels, Annotations: map[string]string{"summary": "It is «" + name + "»"},
		State: alert.Firing, Value: alert.Float(value), Active: 1000, Fired: 2000, Evaluated: 3000, Agent: "agent-1",
		Hold: &alert.Hold{Reason: alert.AgentSilent, Message: "nothing comes", Since: 2500}, GeneratorURL: "https://x/y?z=1&a=<b>",
	}
}

func episode(key alert.Key, rule string, fired, resolved int64) alert.Episode {
	return alert.Episode{
		Key: key, RuleID: rule, Labels: metric.NewLabels(metric.Label{Name: "a", Value: string(key)}),
		Active: fired - 1, Fired: fired, Resolved: resolved, FireValue: 1.5, LastValue: 2.5, Corrected: true,
	}
}

func event(key alert.Key, time int64, kind alert.EventKind) alert.Event {
	return alert.Event{Key: key, Time: time, Kind: kind, Message: "because", Value: 7, Author: "ann"}
}

func notification(id, receiver, order string, keys ...alert.Key) alert.Notification {
	return alert.Notification{
		ID: id, Receiver: receiver, Order: order, Title: "title of " + id, Keys: keys, Alerts: len(keys) + 3, Payload: []byte("{\"id\":\"" + id + "\"}\x00\xff"), Created: 5000,
	}
}

// committed is a notification as the store returns it while it waits, but for Seq.
func committed(n alert.Notification) alert.Notification {
	n.State, n.Attempts = alert.Waiting, []alert.Attempt{}
	return n
}

// withoutSeq removes what the store sets.
func withoutSeq(list []alert.Notification) []alert.Notification {
	for i := range list {
		list[i].Seq = 0
	}
	return list
}

// fullCommit has something of everything.
func fullCommit() *alert.Commit {
	a, b := firing("Disk", 91.5), firing("Load", 4)
	return &alert.Commit{
		Progress: []alert.Progress{{Group: "f;a", Evaluated: 3000}, {Group: "f;b", Evaluated: 3500}},
		Late:     []alert.Late{{Group: "f;a", Agent: "agent-2", Evaluated: 2000}, {Group: "f;a", Agent: "", Evaluated: 2500}},
		LateData: []alert.LateData{{Seq: 1, Agent: "agent-2", From: -5, To: 1000}, {Seq: 2, Group: "f;a", From: 500, To: 500}},
		Alerts:   []alert.Alert{a, b},
		Episodes: []alert.Episode{episode(a.Key, "rule", 2000, 0), episode(b.Key, "rule", 2000, 0)},
		Events:   []alert.Event{event(a.Key, 2000, alert.EventPending), event(a.Key, 2000, alert.EventFiring), event(b.Key, 2000, alert.EventFiring)},
		Groups:   []alert.Group{{Key: "g1", Doc: []byte{0, 255, 1}}, {Key: "g2", Doc: []byte{}}},
		Notify:   []alert.Notification{notification("n1", "team", "g1", a.Key, b.Key), notification("n2", "mail", "g1", a.Key)},
	}
}

// image is all that a store holds, as text.
func image(t *testing.T, s alert.Store) string {
	t.Helper()
	ctx := t.Context()
	all := []any{stateOf(t, s)}
	add := func(v any, err error) {
		must(t, err)
		all = append(all, v)
	}
	episodes, err := s.Episodes(ctx, alert.EpisodePage{Limit: 1000})
	add(episodes, err)
	notifications, err := s.Notifications(ctx, alert.NotificationPage{Limit: 1000})
	add(notifications, err)
	unpublished, err := s.Unpublished(ctx, 1000)
	add(unpublished, err)
	external, err := s.External(ctx, 1000)
	add(external, err)
	for _, name := range []string{"Disk", "Load"} {
		a := firing(name, 0)
		events, err := s.Events(ctx, a.Key, 1000)
		add(events, err)
	}
	b, err := json.Marshal(all)
	must(t, err)
	return string(b)
}

// unchanged runs f and checks that it changes nothing.
func unchanged(t *testing.T, s alert.Store, what string, f func()) {
	t.Helper()
	before := image(t, s)
	f()
	if after := image(t, s); after != before {
		t.Errorf("%s changed something:\nbefore %.3000s\nafter  %.3000s", what, before, after)
	}
}

// cancelled returns a context that ended.
func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func keyNumber(n int) alert.Key { return alert.Key(fmt.Sprintf("k%05d", n)) }
