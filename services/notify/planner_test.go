package notify_test

import (
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const simple = "route: {receiver: ops}"

func TestFiringIsToldAtOnceAndItsEndOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	k := w.fire("alertname=Down,host_name=db1,severity=critical")
	got := w.plan()
	want(t, got, "ops news: Firing: Down on db1")
	if m := got[0].m; m.Severity != "critical" || m.Status != alert.Firing || m.Firing != 1 ||
		len(m.Hosts) != 1 || !m.Alerts[0].New || m.GroupLabels["alertname"] != "Down" {
		t.Errorf("message %+v", m)
	}
	want(t, w.run(time.Minute))
	w.resolve(k)
	want(t, w.plan(), "ops news: Resolved: Down on db1")
	want(t, w.run(24*time.Hour))
	if len(w.docs) != 1 {
		t.Errorf("a group that is over for long is kept: %s", w.docs)
	}
}

func TestReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, repeat_interval: 1h}")
	w.fire("alertname=Down,host_name=db1")
	w.plan()
	want(t, w.run(59*time.Minute))
	want(t, w.run(2*time.Minute), "ops reminder: Still firing: Down on db1")
	want(t, w.run(3*time.Hour),
		"ops reminder: Still firing: Down on db1",
		"ops reminder: Still firing: Down on db1",
		"ops reminder: Still firing: Down on db1")
}

func TestIntervalsGrowWhileAGroupKeepsChanging(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.skipTwins = true // which would take long with so many
	began := w.now
	var at []time.Duration
	for i := range 800 {
		w.fire("alertname=Down,host_name=h" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		for range w.plan() {
			at = append(at, w.now.Sub(began))
		}
		w.now = w.now.Add(time.Second)
	}
	s := time.Second
	if want := []time.Duration{0, 5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 320 * s, 620 * s}; !equal(at, want) {
		t.Errorf("messages at %v, want %v", at, want)
	}
	w.run(20 * time.Minute) // quiet
	w.fire("alertname=Down,host_name=x1")
	if len(w.plan()) != 1 {
		t.Error("after a quiet time it is not told at once")
	}
	w.now = w.now.Add(5 * s)
	w.fire("alertname=Down,host_name=x2")
	if len(w.plan()) != 1 {
		t.Error("the interval did not start again")
	}
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestGroupWaitAndGroupInterval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_wait: 30s, group_interval: 5m}")
	w.fire("alertname=Down,host_name=db1")
	want(t, w.plan())
	w.now = w.now.Add(20 * time.Second)
	w.fire("alertname=Down,host_name=db2")
	want(t, w.plan())
	want(t, w.run(10*time.Second), "ops news: Firing: Down (2) on db1, db2")
	w.now = w.now.Add(10 * time.Second)
	w.fire("alertname=Down,host_name=db3")
	want(t, w.plan())
	want(t, w.run(280*time.Second))
	want(t, w.run(10*time.Second), "ops news: Firing: Down (3) on db1, db2, db3")
}

func TestBetweenTwoMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_interval: 5m}")
	a := w.fire("alertname=Down,host_name=a")
	w.plan()
	w.now = w.now.Add(time.Minute)
	b := w.fire("alertname=Down,host_name=b")
	w.plan()
	w.now = w.now.Add(time.Minute)
	w.resolve(b)
	want(t, w.run(10*time.Minute)) // never told that it fires, so not that it is over

	w.resolve(a)
	w.plan()
	w.now = w.now.Add(time.Minute)
	w.fire("alertname=Down,host_name=a")
	w.plan()
	w.now = w.now.Add(time.Minute)
	c := w.fire("alertname=Down,host_name=c")
	got := w.run(10 * time.Minute)
	want(t, got, "ops news: Firing: Down (2) on a, c")
	w.resolve(c)
	w.plan()
	w.now = w.now.Add(time.Second)
	w.resolve(a)
	w.plan()
	w.now = w.now.Add(time.Second)
	w.fire("alertname=Down,host_name=a") // it ends and begins between two messages
	got = w.run(10 * time.Minute)
	want(t, got, "ops news: Firing: Down on a")
	if !got[0].m.Alerts[0].New {
		t.Error("a new episode is not marked as new")
	}
}

func TestHeldAlertsKeepWhatWasTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, repeat_interval: 1h}")
	k := w.fire("alertname=Down,host_name=a")
	w.plan()
	w.hold(k, true)
	want(t, w.run(10*time.Hour))
	w.hold(k, false)
	want(t, w.plan(), "ops reminder: Still firing: Down on a")
	w.hold(k, true)
	want(t, w.run(time.Minute))
	w.resolve(k)
	want(t, w.plan(), "ops news: Resolved: Down on a")
}

func TestSilences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.silence(alert.Silence{
		ID: "s1", Matchers: matchers(t, `host_name=~"a.*"`),
		Start: w.now.UnixMilli(), End: w.now.Add(time.Hour).UnixMilli(),
	})
	a := w.fire("alertname=Down,host_name=a1")
	gone := w.fire("alertname=Down,host_name=a2")
	w.fire("alertname=Down,host_name=b")
	want(t, w.plan(), "ops news: Firing: Down on b")
	if s := w.p.Status(a, w.now); len(s.SilencedBy) != 1 || s.SilencedBy[0] != "s1" {
		t.Errorf("status %+v", s)
	}
	w.now = w.now.Add(time.Minute)
	w.resolve(gone)
	want(t, w.run(58*time.Minute))
	want(t, w.run(time.Minute), "ops news: Firing: Down (2) on a1, b")

	// Whoever was told that it fires is told that it is over.
	w.silence(alert.Silence{
		ID: "s2", Matchers: matchers(t, `host_name="a1"`),
		Start: w.now.UnixMilli(), End: w.now.Add(time.Hour).UnixMilli(),
	})
	w.run(time.Minute)
	w.resolve(a)
	want(t, w.plan(), "ops news: Firing: Down on b (1 resolved)")
	w.fire("alertname=Down,host_name=a1")
	want(t, w.run(30*time.Minute))
	w.setOperator(alert.Operator{}) // taken back
	want(t, w.plan(), "ops news: Firing: Down (2) on a1, b")
}

func TestMaintenanceWindows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, repeat_interval: 30d}")
	w.silence(alert.Silence{
		ID: "s", Matchers: matchers(t, `host_name="a"`),
		Start: w.now.UnixMilli(), End: w.now.Add(30 * 24 * time.Hour).UnixMilli(),
		Recurrence: &alert.Recurrence{Cron: "0 22 * * *", Minutes: 60, TimeZone: "Europe/Berlin"},
	})
	w.now = time.Date(2026, 3, 4, 20, 59, 0, 0, time.UTC)
	k := w.fire("alertname=Down,host_name=a")
	want(t, w.plan(), "ops news: Firing: Down on a")
	w.run(30 * time.Second)
	w.resolve(k)
	w.plan()
	w.run(5 * time.Minute)
	w.fire("alertname=Down,host_name=a")
	want(t, w.run(54*time.Minute))
	want(t, w.run(5*time.Minute), "ops news: Firing: Down on a")
	if got := w.sent[len(w.sent)-1].m.Time; got != time.Date(2026, 3, 4, 22, 0, 0, 0, time.UTC).UnixMilli() {
		t.Errorf("told at %s", time.UnixMilli(got).UTC())
	}
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	const hourly = "route: {receiver: ops, repeat_interval: 1h}"
	w := newWorld(t, hourly)
	k := w.fire("alertname=Down,host_name=a")
	w.plan()
	w.ack(alert.Ack{Key: k, Author: "anna", Fired: w.now.UnixMilli()})
	want(t, w.run(5*time.Hour))
	if s := w.p.Status(k, w.now); s.Ack == nil || s.Ack.Author != "anna" {
		t.Errorf("status %+v", s)
	}
	w.resolve(k)
	plan := w.planOnly()
	if len(plan.EndedAcks) != 1 || plan.EndedAcks[0] != k {
		t.Errorf("ended %v", plan.EndedAcks)
	}
	want(t, w.commit(plan), "ops news: Resolved: Down on a")
	w.run(time.Hour)
	w.fire("alertname=Down,host_name=a")
	want(t, w.plan(), "ops news: Firing: Down on a")

	// One that expires.
	w.ack(alert.Ack{Key: k, Fired: w.now.UnixMilli(), Expires: w.now.Add(90 * time.Minute).UnixMilli()})
	want(t, w.run(89*time.Minute))
	want(t, w.run(2*time.Minute), "ops reminder: Still firing: Down on a")

	// A sticky one.
	w.ack(alert.Ack{Key: k, Fired: w.now.UnixMilli(), Sticky: true})
	w.plan()
	w.resolve(k)
	want(t, w.plan(), "ops news: Resolved: Down on a")
	w.run(time.Hour)
	w.fire("alertname=Down,host_name=a")
	want(t, w.run(5*time.Hour))
	w.resolve(k)
	want(t, w.run(time.Hour))
	w.fire("alertname=Down,host_name=a")
	want(t, w.run(time.Hour))
	w.setOperator(alert.Operator{})
	want(t, w.plan(), "ops news: Firing: Down on a")
}

const escalating = `
route: {receiver: ops, escalation: page, repeat_interval: 10d}
escalations:
  page:
    repeat: 2h
    steps:
    - {after: 0s, to: [oncall/db]}
    - {after: 15m, to: [person/boss, ops]}
people: {anna: [anna-sms], ben: [ben-sms], boss: [boss-phone]}
on_call:
  db: {start: 2026-03-02, handover: "13:00", shift: daily, rotation: [anna, ben]}
`

func TestEscalation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, escalating)
	w.fire("alertname=Down,host_name=a")
	want(t, w.plan(), "ben-sms news: Firing: Down on a", "ops news: Firing: Down on a")
	want(t, w.run(14*time.Minute))
	want(t, w.run(2*time.Minute), "boss-phone escalation: Not acknowledged: Down on a", "ops escalation: Not acknowledged: Down on a")
	// The shift changes at 13:00: who comes on call is told.
	want(t, w.run(50*time.Minute), "anna-sms news: Firing: Down on a")
	want(t, w.run(time.Hour), "anna-sms escalation: Not acknowledged: Down on a")
	k := key("alertname=Down,host_name=a")
	w.ack(alert.Ack{Key: k, Fired: start.UnixMilli()})
	want(t, w.run(10*time.Hour))
	w.resolve(k)
	want(t, w.plan(),
		"anna-sms news: Resolved: Down on a", "ben-sms news: Resolved: Down on a",
		"boss-phone news: Resolved: Down on a", "ops news: Resolved: Down on a")
	want(t, w.run(10*time.Hour))
}

func TestEscalationBeginsWhenAnAlertIsNotHiddenAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, escalating)
	w.silence(alert.Silence{
		ID: "s", Matchers: matchers(t, `host_name="a"`),
		Start: w.now.UnixMilli(), End: w.now.Add(30 * time.Minute).UnixMilli(),
	})
	w.fire("alertname=Down,host_name=a")
	want(t, w.run(29*time.Minute))
	want(t, w.run(15*time.Minute), "ben-sms news: Firing: Down on a", "ops news: Firing: Down on a")
	want(t, w.run(2*time.Minute), "boss-phone escalation: Not acknowledged: Down on a", "ops escalation: Not acknowledged: Down on a")
}

func TestOverride(t *testing.T) {
	t.Parallel()
	w := newWorld(t, escalating)
	w.setOperator(alert.Operator{Overrides: []alert.Override{{
		ID: "o", Calendar: "db", Person: "boss",
		Start: w.now.UnixMilli(), End: w.now.Add(time.Hour).UnixMilli(),
	}}})
	w.fire("alertname=Down,host_name=a")
	want(t, w.plan(), "boss-phone news: Firing: Down on a", "ops news: Firing: Down on a")
}

func TestMuteTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
route:
  receiver: ops
  routes:
  - {matchers: [team="a"], receiver: a, mute_time_intervals: [noon]}
  - {matchers: [team="b"], receiver: b, active_time_intervals: [noon]}
time_intervals:
- name: noon
  time_intervals: [{times: [{start_time: "12:00", end_time: "13:00"}]}]
`)
	a := w.fire("alertname=X,host_name=h,team=a")
	b := w.fire("alertname=X,host_name=h,team=b")
	want(t, w.plan(), "b news: Firing: X on h")
	if s := w.p.Status(a, w.now); s.Muted != "time interval noon" {
		t.Errorf("status %+v", s)
	}
	want(t, w.run(59*time.Minute))
	w.resolve(b)
	want(t, w.plan(), "b news: Resolved: X on h")
	want(t, w.run(time.Minute), "a news: Firing: X on h")
	w.now = w.now.Add(time.Minute)
	b = w.fire("alertname=X,host_name=h,team=b")
	want(t, w.run(22*time.Hour), repeat("a reminder: Still firing: X on h", 5)...)
	w.resolve(a)
	got := w.run(3 * time.Hour)
	want(t, got, "a news: Resolved: X on h", "b news: Firing: X on h")
	if at := time.UnixMilli(got[1].m.Time).UTC(); at != start.AddDate(0, 0, 1) {
		t.Errorf("b told at %s", at)
	}
	w.resolve(b)
	want(t, w.run(20*time.Hour))
	want(t, w.run(3*time.Hour), "b news: Resolved: X on h")
}

func repeat(line string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line
	}
	return lines
}
