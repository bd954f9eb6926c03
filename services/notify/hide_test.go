package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule"
)

func TestInhibitionRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route: {receiver: ops, group_by: [...]}
inhibit_rules:
- {source_matchers: [severity="critical"], target_match: {severity: warning}, equal: [host_name, cluster]}
`)
	crit := w.fire("alertname=Full,host_name=a,severity=critical")
	w.fire("alertname=Nearly,host_name=a,severity=warning")
	w.fire("alertname=Nearly,host_name=b,severity=warning")
	want(t, w.plan(), "ops news: Firing: Full on a", "ops news: Firing: Nearly on b")
	if s := w.p.Status(key("alertname=Nearly,host_name=a,severity=warning"), w.now); len(s.InhibitedBy) != 1 || s.InhibitedBy[0] != string(crit) {
		t.Errorf("status %+v", s)
	}
	w.now = w.now.Add(time.Minute)
	w.hold(crit, true) // as far as is known it fires
	want(t, w.plan())
	w.resolve(crit)
	want(t, w.plan(), "ops news: Resolved: Full on a", "ops news: Firing: Nearly on a")
}

// An alert that is on both sides of a rule is not hidden by such alerts, nor by itself.
func TestInhibitionOfBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route: {receiver: ops}
inhibit_rules:
- {source_matchers: [severity=~"critical|warning"], target_matchers: [severity=~"warning|info"], equal: [host_name]}
`)
	w.fire("alertname=A,host_name=a,severity=warning")
	w.fire("alertname=B,host_name=a,severity=warning")
	w.fire("alertname=C,host_name=a,severity=info")
	want(t, w.plan(), "ops news: Firing: B on a", "ops news: Firing: A on a")
	w.now = w.now.Add(time.Hour)
	w.resolve(key("alertname=A,host_name=a,severity=warning"))
	want(t, w.plan(), "ops news: Resolved: A on a")
	w.resolve(key("alertname=B,host_name=a,severity=warning"))
	want(t, w.plan(), "ops news: Resolved: B on a", "ops news: Firing: C on a")
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops}")
	w.opt.DependsOn = func(id string) []rule.Dependency {
		if id == "rule" {
			return []rule.Dependency{{Alert: "HostDown", On: []string{"host_name"}}}
		}
		return nil
	}
	w.p.SetDependencies(w.opt.DependsOn)
	down := w.fire("alertname=HostDown,host_name=a") // depends on itself
	w.fire("alertname=Service,host_name=a")
	w.fire("alertname=Service,host_name=b")
	want(t, w.plan(), "ops news: Firing: HostDown on a", "ops news: Firing: Service on b")
	w.now = w.now.Add(time.Minute)
	w.resolve(down)
	want(t, w.plan(), "ops news: Resolved: HostDown on a", "ops news: Firing: Service (2) on a, b")
	w.p.SetDependencies(nil)
	w.opt.DependsOn = nil
	w.now = w.now.Add(time.Minute)
	w.fire("alertname=HostDown,host_name=b")
	want(t, w.plan(), "ops news: Firing: HostDown on b")
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route: {receiver: ops, repeat_interval: 10d}
limits: {flapping: {times: 3, within: 30m, calm: 10m}}
`)
	k := key("alertname=X,host_name=a")
	cycle := func() (all []sent) {
		w.fire("alertname=X,host_name=a")
		all = append(all, w.run(time.Minute)...)
		w.resolve(k)
		return append(all, w.run(time.Minute)...)
	}
	want(t, cycle(), "ops news: Firing: X on a", "ops news: Resolved: X on a")
	want(t, cycle(), "ops news: Firing: X on a", "ops news: Resolved: X on a")
	got := cycle()
	want(t, got, "ops news: Flapping: X on a")
	if !strings.Contains(got[0].m.Text, "Flapping: X on a began to fire 3 times within 30m0s") {
		t.Errorf("text %q", got[0].m.Text)
	}
	if !w.p.Status(k, w.now).Flapping {
		t.Error("it is not shown as flapping")
	}
	for range 20 {
		want(t, cycle())
	}
	w.restart()
	want(t, cycle())
	want(t, w.run(8*time.Minute))
	want(t, w.run(2*time.Minute), "ops news: Resolved: X on a")
	if w.p.Status(k, w.now).Flapping {
		t.Error("it is still shown as flapping")
	}
	w.run(2 * time.Hour)
	if len(w.docs) != 1 {
		t.Errorf("what is calm is kept: %s", w.docs)
	}

	for range 3 {
		cycle()
	}
	w.fire("alertname=X,host_name=a")
	want(t, w.run(9*time.Minute))
	want(t, w.run(2*time.Minute), "ops news: Firing: X on a")
}

// Rules with a for have their alerts pending before each episode.
func TestFlappingThroughPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route: {receiver: ops, repeat_interval: 10d}
limits: {flapping: {times: 3, within: 30m, calm: 10m}}
`)
	k := key("alertname=X,host_name=a")
	cycle := func() (all []sent) {
		w.put(alert.Alert{Key: k, RuleID: "rule", Labels: labels("alertname=X,host_name=a"), State: alert.Pending, Active: w.now.UnixMilli()})
		all = append(all, w.run(time.Minute)...)
		w.fire("alertname=X,host_name=a")
		all = append(all, w.run(time.Minute)...)
		w.resolve(k)
		return append(all, w.run(time.Minute)...)
	}
	want(t, cycle(), "ops news: Firing: X on a", "ops news: Resolved: X on a")
	want(t, cycle(), "ops news: Firing: X on a", "ops news: Resolved: X on a")
	want(t, cycle(), "ops news: Flapping: X on a")
	for range 5 {
		want(t, cycle())
	}
	want(t, w.run(10*time.Minute), "ops news: Resolved: X on a")
}

func TestFlappingBetweenMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route: {receiver: ops, group_wait: 10m}
limits: {flapping: {times: 3, within: 30m, calm: 30m}}
`)
	for range 3 {
		w.fire("alertname=X,host_name=a")
		w.run(time.Minute)
		w.resolve(key("alertname=X,host_name=a"))
		w.run(time.Minute)
	}
	got := w.run(10 * time.Minute)
	want(t, got, "ops news: Flapping: X on a")
	want(t, w.run(time.Hour), "ops news: Resolved: X on a")
}

// A rule that is taken away takes its alerts with it; what was told is closed.
func TestForgottenAlertsAreOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	a := w.fire("alertname=X,host_name=a")
	w.plan()
	w.now = w.now.Add(time.Hour)
	w.forget(a)
	want(t, w.plan(), "ops news: Resolved: X on a")
	b := w.fire("alertname=X,host_name=b")
	w.now = w.now.Add(time.Hour)
	w.plan()
	w.now = w.now.Add(time.Hour)
	w.forget(b)
	plan := w.planOnly()
	want(t, w.commit(plan), "ops news: Resolved: X on b")

	// After a restart only the key is known.
	c := w.fire("alertname=X,host_name=c")
	w.now = w.now.Add(time.Hour)
	w.plan()
	w.now = w.now.Add(time.Hour)
	delete(w.alerts, c)
	delete(w.committed, c)
	w.restart()
	got := w.plan()
	want(t, got, "ops news: Resolved: alert "+string(c))
	if got[0].m.GroupLabels["alertname"] != "X" {
		t.Errorf("group labels %v", got[0].m.GroupLabels)
	}
	want(t, w.run(time.Hour))
}

func TestChangeOfConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	k := w.fire("alertname=X,host_name=a")
	w.plan()
	w.now = w.now.Add(time.Minute)
	w.cfg = mustParse(t, "route: {receiver: others}")
	w.p.SetConfig(w.cfg)
	want(t, w.plan(), "others news: Firing: X on a")
	w.now = w.now.Add(time.Minute)
	w.resolve(k)
	want(t, w.plan(), "ops news: Resolved: X on a", "others news: Resolved: X on a")

	// A receiver that is gone is told nothing, and that keeps nothing.
	w.fire("alertname=X,host_name=a")
	w.now = w.now.Add(time.Minute)
	w.plan()
	w.now = w.now.Add(time.Minute)
	w.cfg = mustParse(t, simple)
	w.cfg.Receivers = []string{"ops"}
	w.p.SetConfig(w.cfg)
	want(t, w.plan(), "ops news: Firing: X on a")
	w.now = w.now.Add(time.Minute)
	w.resolve(k)
	want(t, w.plan(), "ops news: Resolved: X on a")
	want(t, w.run(10*time.Hour))
	if len(w.docs) != 2 { // of the receivers
		t.Errorf("kept: %s", w.docs)
	}
}

// A clock that is set back must not keep people from being told.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_by: [...]}\nlimits: {messages: 4}")
	w.now = w.now.Add(10 * time.Hour)
	for _, host := range []string{"a", "b", "c", "d", "e", "f"} {
		w.fire("alertname=X,host_name=" + host)
		w.plan()
	}
	w.now = start
	w.fire("alertname=X,host_name=g")
	if got := text(w.plan()); !strings.Contains(got, "X on g") {
		t.Errorf("sent %s", got)
	}
	w.resolve(key("alertname=X,host_name=a"))
	if got := text(w.run(10 * time.Minute)); !strings.Contains(got, "Resolved: X on a") {
		t.Errorf("sent %s", got)
	}
}

func TestFireTimeInTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_wait: 30s}")
	ls := labels("alertname=X,host_name=a")
	w.put(alert.Alert{Key: "k", Labels: ls, State: alert.Firing, Fired: w.now.Add(time.Hour).UnixMilli()})
	want(t, w.plan(), "ops news: Firing: X on a")
}

func TestDefaultConfigurationTellsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.cfg = defaultConfig()
	w.p.SetConfig(w.cfg)
	k := w.fire("alertname=X,host_name=a")
	want(t, w.run(24*time.Hour))
	if len(w.docs) != 0 || !w.next.IsZero() {
		t.Errorf("kept %s, next %s", w.docs, w.next)
	}
	if s := w.p.Status(k, w.now); len(s.Receivers) != 0 {
		t.Errorf("status %+v", s)
	}
	hits, total, others := w.p.Matching(matchers(t, `host_name="a"`), 10)
	if len(hits) != 1 || total != 1 || others != 0 {
		t.Errorf("matching: %v %d %d", hits, total, others)
	}
	w.fire("alertname=X,host_name=b")
	w.plan()
	if _, total, others := w.p.Matching(matchers(t, `host_name="a"`), 0); total != 1 || others != 1 {
		t.Errorf("matching: %d %d", total, others)
	}
	if m := w.p.TestRoute(metric.NewLabels(), w.now); len(m) != 1 || len(m[0].Receivers) != 0 {
		t.Errorf("match %+v", m)
	}
}

// Documents that cannot be read cost the memory of what was told, not more.
func TestBrokenDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.fire("alertname=X,host_name=a")
	w.plan()
	w.now = w.now.Add(time.Minute)
	for k := range w.docs {
		for _, doc := range []string{``, `[]`, `{"v":2}`, `{"v":1,"alerts":[{"told":[{"thread":-1,"fired":1},{"thread":9}],"keys":["x"]}],"fires":[{}]}`} {
			groups, alerts := w.stored()
			for i := range groups {
				if groups[i].Key == k {
					groups[i].Doc = []byte(doc)
				}
			}
			err := w.p.Restore(groups, alerts, w.op)
			if bad := !strings.Contains(doc, `"v":1`); (err != nil) != bad {
				t.Errorf("document %q: error %v", doc, err)
			}
			if _, err := w.p.Plan(w.now); err != nil {
				t.Errorf("document %q: %v", doc, err)
			}
		}
	}
}
