package dbtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/alert"
)

var alertStateTests = map[string]func(*testing.T, alert.Store){
	"Empty":                    testAlertsEmpty,
	"CommitRoundTrip":          testAlertsRoundTrip,
	"CommitReplaces":           testAlertsReplace,
	"CommitOfTheSameKeyTwice":  testAlertsTwice,
	"CommitAgain":              testAlertsAgain,
	"Fenced":                   testAlertsFenced,
	"LeadersThatRace":          testAlertsLeadersRace,
	"CommitIsAtomic":           testAlertsAtomic,
	"CancelledCommit":          testAlertsCancelledCommit,
	"HostileText":              testAlertsHostile,
	"LargeDocuments":           testAlertsLargeDocuments,
	"EveryFloat":               testAlertsFloats,
	"LargeCommit":              testAlertsLargeCommit,
	"StateIsOneSnapshot":       testAlertsSnapshot,
	"LeadSeesAllCommitsBefore": testAlertsLeadSees,
}

func testAlertsEmpty(t *testing.T, s alert.Store) {
	isEmpty := func(x alert.Snapshot) {
		t.Helper()
		n := len(x.Progress) + len(x.Late) + len(x.LateData) + len(x.Alerts) + len(x.Groups) + len(x.Operator.Silences) + len(x.Operator.Acks) + len(x.Operator.Overrides)
		if n > 0 || x.Version != versionOf(t, s) {
			t.Errorf("got %+v", x)
		}
	}
	isEmpty(stateOf(t, s))
	epoch, state, err := s.Lead(t.Context(), "a")
	must(t, err)
	if epoch <= 0 {
		t.Errorf("epoch %d", epoch)
	}
	isEmpty(state)
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{}))
	isEmpty(stateOf(t, s))
}

func testAlertsRoundTrip(t *testing.T, s alert.Store) {
	c := fullCommit()
	first := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), first, c))
	check := func(state alert.Snapshot) {
		t.Helper()
		byKey := map[alert.Key]alert.Alert{}
		for _, a := range state.Alerts {
			byKey[a.Key] = a
		}
		for _, want := range c.Alerts {
			same(t, "alert", byKey[want.Key], want)
		}
		same(t, "number of alerts", len(state.Alerts), len(c.Alerts))
		same(t, "groups", state.Groups, c.Groups)
		same(t, "progress", state.Progress, c.Progress)
		same(t, "late agents", state.Late, []alert.Late{c.Late[1], c.Late[0]})
		same(t, "late data", state.LateData, c.LateData)
	}
	check(stateOf(t, s))
	second, state, err := s.Lead(t.Context(), "b")
	must(t, err)
	check(state)
	if second <= first {
		t.Errorf("epoch %d after %d", second, first)
	}
	list, err := s.Unpublished(t.Context(), 10)
	must(t, err)
	same(t, "notifications", withoutSeq(list), []alert.Notification{committed(c.Notify[0]), committed(c.Notify[1])})
	events, err := s.Events(t.Context(), c.Alerts[0].Key, 10)
	must(t, err)
	same(t, "events", events, []alert.Event{c.Events[1], c.Events[0]})
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Key: c.Alerts[1].Key, Limit: 10})
	must(t, err)
	same(t, "episodes", episodes, []alert.Episode{c.Episodes[1]})
}

func testAlertsReplace(t *testing.T, s alert.Store) {
	c := fullCommit()
	epoch := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), epoch, c))
	a := c.Alerts[0]
	a.State, a.Resolved, a.Hold, a.Value = alert.Resolved, 9000, nil, 1
	e := episode(a.Key, "rule", 2000, 9000)
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{
		Progress: []alert.Progress{{Group: "f;a", Evaluated: 9000}},
		Late:     []alert.Late{{Group: "f;b", Agent: "agent-2", Evaluated: 1}},
		Caught:   []alert.Late{{Group: "f;a", Agent: "agent-2"}, {Group: "f;a", Agent: "nobody"}},
		WorkedIn: 1,
		LateData: []alert.LateData{{Seq: 2, Agent: "agent-3", From: 1, To: 2}, {Seq: 1, Group: "f;b", From: 3, To: 4}},
		Alerts:   []alert.Alert{a}, Forget: []alert.Key{c.Alerts[1].Key, "unknown"},
		Episodes: []alert.Episode{e}, Unmade: []alert.EpisodeID{{Key: c.Alerts[1].Key, Fired: 2000}, {Key: a.Key, Fired: 1}},
		Groups: []alert.Group{{Key: "g1", Doc: []byte("new")}, {Key: "g2"}, {Key: "g3"}},
	}))
	state := stateOf(t, s)
	same(t, "alerts", state.Alerts, []alert.Alert{a})
	same(t, "groups", state.Groups, []alert.Group{{Key: "g1", Doc: []byte("new")}})
	same(t, "progress", state.Progress, []alert.Progress{{Group: "f;a", Evaluated: 9000}, {Group: "f;b", Evaluated: 3500}})
	same(t, "late agents", state.Late, []alert.Late{{Group: "f;a", Agent: "", Evaluated: 2500}, {Group: "f;b", Agent: "agent-2", Evaluated: 1}})
	same(t, "late data", state.LateData, []alert.LateData{{Seq: 1, Group: "f;b", From: 3, To: 4}, {Seq: 2, Agent: "agent-3", From: 1, To: 2}})
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{WorkedIn: 2}))
	same(t, "late data", len(stateOf(t, s).LateData), 0)
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{Gone: []string{"f;b", "unknown", "f;b"}}))
	same(t, "progress", stateOf(t, s).Progress, []alert.Progress{{Group: "f;a", Evaluated: 9000}})
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: 10})
	must(t, err)
	same(t, "episodes", episodes, []alert.Episode{e})
}

// Of one thing twice in a commit the later counts; what is deleted and stored is there.
func testAlertsTwice(t *testing.T, s alert.Store) {
	c := fullCommit()
	old, now := c.Alerts[0], c.Alerts[0]
	old.Value = -1
	e := c.Episodes[0]
	e.LastValue = 99
	again := c.Notify[0]
	again.Title = "another"
	commitNow(t, s, &alert.Commit{
		Gone:     []string{"x"},
		Progress: []alert.Progress{{Group: "x", Evaluated: 1}, {Group: "x", Evaluated: 2}},
		Late:     []alert.Late{{Group: "x", Agent: "a", Evaluated: 1}, {Group: "x", Agent: "a", Evaluated: 2}},
		LateData: []alert.LateData{{Seq: 1, Agent: "a", To: 1}, {Seq: 1, Agent: "a", To: 2}},
		Alerts:   []alert.Alert{old, now}, Forget: []alert.Key{now.Key, now.Key},
		Episodes: []alert.Episode{c.Episodes[0], e}, Unmade: []alert.EpisodeID{e.ID()},
		Events: []alert.Event{c.Events[0], c.Events[0]},
		Groups: []alert.Group{{Key: "g"}, {Key: "g", Doc: []byte("x")}, {Key: "h", Doc: []byte("x")}, {Key: "h"}},
		Notify: []alert.Notification{c.Notify[0], again},
	})
	state := stateOf(t, s)
	same(t, "progress", state.Progress, []alert.Progress{{Group: "x", Evaluated: 2}})
	same(t, "late agents", state.Late, []alert.Late{{Group: "x", Agent: "a", Evaluated: 2}})
	same(t, "alerts", state.Alerts, []alert.Alert{now})
	same(t, "groups", state.Groups, []alert.Group{{Key: "g", Doc: []byte("x")}})
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: 10})
	must(t, err)
	same(t, "episodes", episodes, []alert.Episode{e})
	events, err := s.Events(t.Context(), now.Key, 10)
	must(t, err)
	same(t, "events", events, []alert.Event{c.Events[0]})
	list, err := s.Notifications(t.Context(), alert.NotificationPage{Limit: 10})
	must(t, err)
	same(t, "notifications", withoutSeq(list), []alert.Notification{committed(c.Notify[0])})
}

// A commit whose answer was lost is committed again: by the same leader, and by one
// that came to the same result.
func testAlertsAgain(t *testing.T, s alert.Store) {
	c := fullCommit()
	epoch := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), epoch, c))
	must(t, s.Published(t.Context(), []string{"n1"}))
	_, err := s.Begin(t.Context(), "n2", alert.Claim{Holder: "w", Now: 6000, Until: 7000})
	must(t, err)
	must(t, s.Finish(t.Context(), "n2", alert.Attempt{Time: 6000, Delivered: true}, alert.Delivered, 0))
	unchanged(t, s, "the same commit", func() { must(t, s.Commit(t.Context(), epoch, c)) })
	unchanged(t, s, "the same commit of another leader", func() { must(t, s.Commit(t.Context(), leadAs(t, s, "b"), c)) })
	changed := *c
	changed.Events = []alert.Event{c.Events[0]}
	changed.Events[0].Message = "another"
	changed.Notify = []alert.Notification{c.Notify[0]}
	changed.Notify[0].Payload = []byte("another")
	changed.Notify[0].Keys = nil
	unchanged(t, s, "what has the same identity", func() { commitNow(t, s, &changed) })
}

func testAlertsFenced(t *testing.T, s alert.Store) {
	old := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), old, fullCommit()))
	now := leadAs(t, s, "a") // the same name is another leader, too
	for what, epoch := range map[string]int64{"an old leader": old, "nobody": 0, "one to come": now + 1} {
		unchanged(t, s, what, func() {
			other := fullCommit()
			other.Alerts[0].Value = 1234
			other.Notify[0].ID = "other"
			other.EndedAcks = []alert.Key{"x"}
			wantErr(t, s.Commit(t.Context(), epoch, other), alert.ErrFenced)
			wantErr(t, s.Commit(t.Context(), epoch, &alert.Commit{}), alert.ErrFenced)
		})
	}
	must(t, s.Commit(t.Context(), now, &alert.Commit{Progress: []alert.Progress{{Group: "x", Evaluated: 1}}}))
	for range 5 { // as fast as it goes: the clock may stand
		next := leadAs(t, s, "b")
		if next <= now {
			t.Errorf("epoch %d after %d", next, now)
		}
		now = next
	}
}

// Leaders take the lead from each other while they count in the state they were given:
// not one of the commits that succeeded is lost, and none that did not is there.
func testAlertsLeadersRace(t *testing.T, s alert.Store) {
	var commits atomic.Int64
	var g errgroup.Group
	for leader := range 4 {
		g.Go(func() error {
			for range 5 {
				epoch, state, err := s.Lead(t.Context(), fmt.Sprint("leader ", leader))
				if err != nil {
					return err
				}
				count := 0
				if len(state.Groups) > 0 {
					if count, err = strconv.Atoi(string(state.Groups[0].Doc)); err != nil {
						return err
					}
				}
				for range 3 {
					count++
					key := alert.Key(fmt.Sprint(count))
					err := s.Commit(t.Context(), epoch, &alert.Commit{
						Groups: []alert.Group{{Key: "count", Doc: []byte(strconv.Itoa(count))}},
						Notify: []alert.Notification{notification(fmt.Sprint("n", count), "r", "o", key)},
					})
					if errors.Is(err, alert.ErrFenced) {
						break
					}
					if err != nil {
						return err
					}
					commits.Add(1)
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	want := int(commits.Load())
	if got := string(stateOf(t, s).Groups[0].Doc); got != strconv.Itoa(want) || want < 1 {
		t.Errorf("%d commits succeeded, the count is %s", want, got)
	}
	list, err := s.Unpublished(t.Context(), 1000)
	must(t, err)
	if len(list) != want {
		t.Fatalf("%d notifications, want %d", len(list), want)
	}
	for i, n := range list {
		if n.ID != fmt.Sprint("n", i+1) || i > 0 && n.Seq <= list[i-1].Seq {
			t.Errorf("notification %d is %s with number %d", i+1, n.ID, n.Seq)
		}
	}
}

// badTexts cannot be looked for.
var badTexts = map[string]string{"a NUL": "a\x00b", "no UTF-8": "a\xffb", "a text of two kilobytes": strings.Repeat("ä", 1024)}

func testAlertsAtomic(t *testing.T, s alert.Store) {
	epoch := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), epoch, fullCommit()))
	places := map[string]func(*alert.Commit, string){
		"progress":     func(c *alert.Commit, x string) { c.Progress = append(c.Progress, alert.Progress{Group: x}) },
		"gone":         func(c *alert.Commit, x string) { c.Gone = append(c.Gone, x) },
		"late group":   func(c *alert.Commit, x string) { c.Late = append(c.Late, alert.Late{Group: x}) },
		"late agent":   func(c *alert.Commit, x string) { c.Late = append(c.Late, alert.Late{Agent: x}) },
		"caught":       func(c *alert.Commit, x string) { c.Caught = append(c.Caught, alert.Late{Agent: x}) },
		"alert":        func(c *alert.Commit, x string) { c.Alerts = append(c.Alerts, alert.Alert{Key: alert.Key(x)}) },
		"forget":       func(c *alert.Commit, x string) { c.Forget = append(c.Forget, alert.Key(x)) },
		"episode":      func(c *alert.Commit, x string) { c.Episodes = append(c.Episodes, alert.Episode{Key: alert.Key(x)}) },
		"episode rule": func(c *alert.Commit, x string) { c.Episodes = append(c.Episodes, alert.Episode{RuleID: x}) },
		"unmade":       func(c *alert.Commit, x string) { c.Unmade = append(c.Unmade, alert.EpisodeID{Key: alert.Key(x)}) },
		"event":        func(c *alert.Commit, x string) { c.Events = append(c.Events, alert.Event{Key: alert.Key(x)}) },
		"event kind":   func(c *alert.Commit, x string) { c.Events = append(c.Events, alert.Event{Kind: alert.EventKind(x)}) },
		"group":        func(c *alert.Commit, x string) { c.Groups = append(c.Groups, alert.Group{Key: x, Doc: []byte("x")}) },
		"notification": func(c *alert.Commit, x string) { c.Notify = append(c.Notify, notification(x, "r", "o")) },
		"receiver":     func(c *alert.Commit, x string) { c.Notify = append(c.Notify, notification("i", x, "o")) },
		"order":        func(c *alert.Commit, x string) { c.Notify = append(c.Notify, notification("i", "r", x)) },
		"key": func(c *alert.Commit, x string) {
			c.Notify = append(c.Notify, notification("i", "r", "o", alert.Key(x)))
		},
		"ended ack": func(c *alert.Commit, x string) { c.EndedAcks = append(c.EndedAcks, alert.Key(x)) },
	}
	unchanged(t, s, "a commit that is refused", func() {
		for place, spoil := range places {
			for what, text := range badTexts {
				c := &alert.Commit{
					Progress: []alert.Progress{{Group: "f;a", Evaluated: 777}}, Forget: []alert.Key{firing("Disk", 0).Key},
					Notify: []alert.Notification{notification("new", "r", "o")}, Groups: []alert.Group{{Key: "g1"}},
				}
				spoil(c, text)
				if err := s.Commit(t.Context(), epoch, c); err == nil || errors.Is(err, alert.ErrFenced) {
					t.Errorf("%s with %s: %v", place, what, err)
				}
			}
		}
	})
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{}))
}

func testAlertsCancelledCommit(t *testing.T, s alert.Store) {
	epoch := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), epoch, fullCommit()))
	unchanged(t, s, "a cancelled commit", func() {
		c := fullCommit()
		c.Alerts[0].Value = 1
		if err := s.Commit(cancelled(t), epoch, c); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	if _, _, err := s.Lead(cancelled(t), "b"); err == nil {
		t.Error("a cancelled call leads")
	}
	must(t, s.Commit(t.Context(), epoch, &alert.Commit{}))
}

// hostile is text that every key may have.
const hostile = "o'\"; DROP TABLE alerts; -- \\ %_ $1 ?1 @ {} ünï \u202e 👻 \n\t\r\x01"

func testAlertsHostile(t *testing.T, s alert.Store) {
	a := firing(hostile, 1)
	a.Key, a.RuleID, a.Agent = hostile, hostile, hostile
	a.Annotations = map[string]string{hostile: hostile, "nul": "a\x00b"}
	e := episode(hostile, hostile, 5, 6)
	n := notification(hostile, hostile, hostile, hostile)
	n.Title = "a\x00b"
	c := &alert.Commit{
		Progress: []alert.Progress{{Group: hostile, Evaluated: 1}}, Late: []alert.Late{{Group: hostile, Agent: hostile, Evaluated: 1}},
		LateData: []alert.LateData{{Seq: math.MaxInt64, Group: hostile, Agent: hostile, From: math.MinInt64, To: math.MaxInt64}},
		Alerts:   []alert.Alert{a}, Episodes: []alert.Episode{e}, Events: []alert.Event{event(hostile, 1, hostile)},
		Groups: []alert.Group{{Key: hostile, Doc: []byte(hostile)}}, Notify: []alert.Notification{n},
	}
	commitNow(t, s, c)
	must(t, s.PutSilence(t.Context(), alert.Silence{ID: hostile, Comment: hostile + "\x00"}))
	must(t, s.PutAcks(t.Context(), []alert.Ack{{Key: hostile, Author: hostile}}, nil))
	must(t, s.PutOverride(t.Context(), alert.Override{ID: hostile, Calendar: hostile, Person: hostile}))
	state := stateOf(t, s)
	same(t, "alerts", state.Alerts, c.Alerts)
	same(t, "groups", state.Groups, c.Groups)
	same(t, "progress", state.Progress, c.Progress)
	same(t, "late agents", state.Late, c.Late)
	same(t, "late data", state.LateData, c.LateData)
	if op := state.Operator; len(op.Silences) != 1 || op.Silences[0].ID != hostile || op.Silences[0].Comment != hostile+"\x00" || op.Acks[0].Author != hostile || op.Overrides[0].Person != hostile {
		t.Errorf("got %+v", op)
	}
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Key: hostile, RuleID: hostile, Limit: 9})
	must(t, err)
	same(t, "episodes", episodes, c.Episodes)
	events, err := s.Events(t.Context(), hostile, 9)
	must(t, err)
	same(t, "events", events, c.Events)
	list, err := s.Notifications(t.Context(), alert.NotificationPage{Receiver: hostile, Key: hostile, Limit: 9})
	must(t, err)
	same(t, "notifications", withoutSeq(list), []alert.Notification{committed(n)})
	_, err = s.Begin(t.Context(), hostile, alert.Claim{Holder: hostile, Now: 1, Until: 2})
	must(t, err)
	must(t, s.DeleteOverride(t.Context(), hostile, hostile))
	commitNow(t, s, &alert.Commit{Caught: c.Late, Forget: []alert.Key{hostile}, Unmade: []alert.EpisodeID{e.ID()}, Groups: []alert.Group{{Key: hostile}}, EndedAcks: []alert.Key{hostile}})
	state = stateOf(t, s)
	if len(state.Alerts)+len(state.Groups)+len(state.Late)+len(state.Operator.Acks) > 0 {
		t.Errorf("left: %+v", state)
	}
}

func testAlertsLargeDocuments(t *testing.T, s alert.Store) {
	large := strings.Repeat("«x»\x00", 1<<20/6)
	c := fullCommit()
	c.Alerts[0].Annotations["description"] = large
	c.Groups[0].Doc = []byte(large)
	c.Events[0].Message = large
	for i := range c.Notify {
		c.Notify[i].Payload, c.Notify[i].Title = []byte(large), large
	}
	commitNow(t, s, c)
	state := stateOf(t, s)
	same(t, "groups", state.Groups, c.Groups)
	for _, a := range state.Alerts {
		if a.Key == c.Alerts[0].Key {
			same(t, "alert", a, c.Alerts[0])
		}
	}
	events, err := s.Events(t.Context(), c.Events[0].Key, 10)
	must(t, err)
	same(t, "event", events[1], c.Events[0])
	list, err := s.Unpublished(t.Context(), 10)
	must(t, err)
	same(t, "notifications", withoutSeq(list), []alert.Notification{committed(c.Notify[0]), committed(c.Notify[1])})
}

func testAlertsFloats(t *testing.T, s alert.Store) {
	var c alert.Commit
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1} {
		a := firing("x", v)
		a.Key = keyNumber(i)
		c.Alerts = append(c.Alerts, a)
	}
	commitNow(t, s, &c)
	sameJSON(t, "alerts", stateOf(t, s).Alerts, c.Alerts)
}

func testAlertsLargeCommit(t *testing.T, s alert.Store) {
	const n = 10_000
	c := ManyAlerts(n)
	epoch := leadAs(t, s, "a")
	must(t, s.Commit(t.Context(), epoch, c))
	state := stateOf(t, s)
	same(t, "number of alerts", len(state.Alerts), n)
	for i := range state.Alerts {
		if got, want := state.Alerts[i], c.Alerts[i]; got.Key != want.Key || got.Value != want.Value || got.Labels.Get("host_name") != want.Labels.Get("host_name") {
			t.Fatalf("alert %d is %+v, want %+v", i, got, want)
		}
	}
	list, err := s.Unpublished(t.Context(), n)
	must(t, err)
	same(t, "number of notifications", len(list), len(c.Notify))
	for i := range list {
		if list[i].ID != c.Notify[i].ID {
			t.Fatalf("notification %d is %s, want %s", i, list[i].ID, c.Notify[i].ID)
		}
	}
	episodes, err := s.Episodes(t.Context(), alert.EpisodePage{Limit: 2 * n})
	must(t, err)
	same(t, "number of episodes", len(episodes), n)
	var forget alert.Commit
	for i := range c.Alerts {
		forget.Forget = append(forget.Forget, c.Alerts[i].Key)
		forget.Unmade = append(forget.Unmade, c.Episodes[i].ID())
	}
	must(t, s.Commit(t.Context(), epoch, &forget))
	episodes, err = s.Episodes(t.Context(), alert.EpisodePage{Limit: 2 * n})
	must(t, err)
	same(t, "what is left", len(stateOf(t, s).Alerts)+len(episodes), 0)
}

// ManyAlerts is a commit of as many alerts that begin to fire.
func ManyAlerts(n int) *alert.Commit {
	c := &alert.Commit{Progress: []alert.Progress{{Group: "g", Evaluated: 1000}}}
	for i := range n {
		a := firing("HostDown", float64(i))
		a.Key, a.Labels = keyNumber(i), a.Labels.With(a.Labels[0])
		a.Labels[1].Value = fmt.Sprint("host-", i)
		c.Alerts = append(c.Alerts, a)
		c.Episodes = append(c.Episodes, episode(a.Key, "rule", 2000, 0))
		c.Events = append(c.Events, event(a.Key, 2000, alert.EventFiring))
	}
	for i := range max(1, n/500) {
		c.Notify = append(c.Notify, notification(fmt.Sprint("n", i), "team", fmt.Sprint("g", i), c.Alerts[i].Key))
		c.Groups = append(c.Groups, alert.Group{Key: fmt.Sprint("g", i), Doc: []byte("doc")})
	}
	return c
}

// Whoever reads the state sees all of a commit or nothing of it.
func testAlertsSnapshot(t *testing.T, s alert.Store) {
	epoch := leadAs(t, s, "a")
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		for i := range 60 {
			n := int64(i)
			a := firing("x", float64(n))
			err := s.Commit(t.Context(), epoch, &alert.Commit{
				Progress: []alert.Progress{{Group: "g", Evaluated: n}}, Alerts: []alert.Alert{a},
				Groups: []alert.Group{{Key: "g", Doc: strconv.AppendInt(nil, n, 10)}}, Late: []alert.Late{{Group: "g", Evaluated: n}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for ctx.Err() == nil {
		state := stateOf(t, s)
		if len(state.Progress) == 0 {
			same(t, "a state before the first commit", len(state.Alerts)+len(state.Groups)+len(state.Late), 0)
			continue
		}
		n := state.Progress[0].Evaluated
		if float64(state.Alerts[0].Value) != float64(n) || string(state.Groups[0].Doc) != strconv.FormatInt(n, 10) || state.Late[0].Evaluated != n {
			t.Errorf("a mixture: %+v", state)
		}
	}
	must(t, g.Wait())
}

// Who leads is given all that was committed before, also what is committed just then.
func testAlertsLeadSees(t *testing.T, s alert.Store) {
	for round := range 5 {
		epoch := leadAs(t, s, "a")
		result := make(chan error, 1)
		group := fmt.Sprint("g", round)
		go func() {
			result <- s.Commit(t.Context(), epoch, &alert.Commit{Progress: []alert.Progress{{Group: group, Evaluated: 1}}})
		}()
		_, state, err := s.Lead(t.Context(), "b")
		must(t, err)
		there := false
		for _, p := range state.Progress {
			there = there || p.Group == group
		}
		switch err := <-result; {
		case err == nil && !there:
			t.Error("a commit succeeded, and the new leader does not know of it")
		case err != nil && !errors.Is(err, alert.ErrFenced):
			t.Error(err)
		case err != nil && there:
			t.Error("a commit failed, and the new leader knows of it")
		}
	}
}
