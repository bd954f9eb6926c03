package notify_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/notify"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.opt = notify.Options{
		ExternalURL: "https://mon.example/",
		Sign: func(path string, now time.Time) string {
			return path + "&exp=" + now.UTC().Format(time.RFC3339) + "&sig=s"
		},
	}
	w.restart()
	a := w.fire("alertname=A & B,host_name=a")
	m := w.plan()[0].m
	if want := "https://mon.example/alerts/" + string(a); m.DashboardURL != want || m.Alerts[0].URL != want {
		t.Errorf("dashboard %s, alert %s", m.DashboardURL, m.Alerts[0].URL)
	}
	if want := "https://mon.example/alerts/confirm?ids=" + string(a) + "&exp=2026-03-04T12:00:00Z&sig=s"; m.ConfirmURL != want {
		t.Errorf("confirm %s", m.ConfirmURL)
	}
	if want := "https://mon.example/silences/new?matcher=alertname%3D%22A+%26+B%22&exp=2026-03-04T12:00:00Z&sig=s"; m.SilenceURL != want {
		t.Errorf("silence %s", m.SilenceURL)
	}
	w.ack(alert.Ack{Key: a, Fired: w.now.UnixMilli()})
	w.now = w.now.Add(time.Minute)
	b := w.fire("alertname=A & B,host_name=b")
	m = w.plan()[0].m
	if !strings.HasPrefix(m.ConfirmURL, "https://mon.example/alerts/confirm?ids="+string(b)+"&") {
		t.Errorf("what is acknowledged is to be acknowledged: %s", m.ConfirmURL)
	}
	if m.DashboardURL != "https://mon.example/alerts?matcher=alertname%3D%22A+%26+B%22" {
		t.Errorf("dashboard %s", m.DashboardURL)
	}
	if len(m.Alerts) != 2 || m.Alerts[1].Ack == nil || m.Alerts[0].Ack != nil {
		t.Errorf("alerts %+v", m.Alerts)
	}
	w.resolve(a)
	w.resolve(b)
	w.now = w.now.Add(time.Minute)
	if m := w.plan()[0].m; m.ConfirmURL != "" || m.SilenceURL != "" {
		t.Errorf("what is over is to be acknowledged: %s %s", m.ConfirmURL, m.SilenceURL)
	}
}

func TestNoLinksWithoutAURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.opt = notify.Options{Sign: func(string, time.Time) string { return "x" }}
	w.restart()
	w.fire("alertname=A,host_name=a")
	if m := w.plan()[0].m; m.DashboardURL+m.ConfirmURL+m.SilenceURL+m.Alerts[0].URL != "" {
		t.Errorf("links %+v", m)
	}
}

func TestCommonAndWorst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	add := func(text, summary string) {
		k := w.fire(text)
		a := w.alerts[k]
		a.Annotations = map[string]string{"summary": summary, "runbook_url": "https://run.example"}
		w.put(a)
	}
	add("alertname=X,host_name=a,severity=info,dc=1", "one")
	add("alertname=X,host_name=b,severity=critical,dc=1", "two")
	add("alertname=X,target=c,severity=warning,dc=1", "three")
	add("alertname=X,instance=d:9100,severity=odd,dc=1", "four")
	m := w.plan()[0].m
	if m.Severity != "critical" || m.Alerts[0].Labels.Get("severity") != "critical" || m.Alerts[3].Labels.Get("severity") != "odd" {
		t.Errorf("the worst is not first: %s %v", m.Severity, m.Alerts)
	}
	if len(m.CommonLabels) != 2 || m.CommonLabels["dc"] != "1" || len(m.CommonAnnotations) != 1 {
		t.Errorf("common %v %v", m.CommonLabels, m.CommonAnnotations)
	}
	if got := strings.Join(m.Hosts, " "); got != "a b c d:9100" {
		t.Errorf("hosts %s", got)
	}
	if m.Alerts[0].RunbookURL != "https://run.example" {
		t.Errorf("runbook %q", m.Alerts[0].RunbookURL)
	}
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	long := strings.Repeat("ä\n", 10_000)
	ls := metric.NewLabels(
		metric.Label{Name: "alertname", Value: "X\r\nBcc: all\x00\u2028" + long},
		metric.Label{Name: "host_name", Value: long})
	w.put(alert.Alert{
		Key: "k/?&", Labels: ls, State: alert.Firing, Fired: w.now.UnixMilli(),
		Annotations: map[string]string{"summary": long},
	})
	got := w.plan()[0]
	if title := got.m.Title; strings.ContainsAny(title, "\r\n\x00\u2028") || len(title) > 200 || !utf8.ValidString(title) || got.Title != title {
		t.Errorf("title %q", title)
	}
	if text := got.m.Alerts[0].Annotations["summary"]; len(text) > 4096 || !utf8.ValidString(text) {
		t.Errorf("an annotation has %d bytes", len(text))
	}
	if !strings.HasSuffix(got.m.Alerts[0].URL, "/alerts/k%2F%3F&") {
		t.Errorf("link %s", got.m.Alerts[0].URL)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, escalating)
	k := w.fire("alertname=X,host_name=a")
	a := w.alerts[k]
	a.Value = 42
	w.put(a)
	plan := w.planOnly()
	want := alert.Event{
		Key: k, Time: w.now.UnixMilli(), Kind: alert.EventNotified,
		Message: "firing: ben-sms; firing: ops", Value: 42,
	}
	if len(plan.Events) != 1 || plan.Events[0] != want {
		t.Errorf("events %+v", plan.Events)
	}
}

func TestEnrich(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	w.fire("alertname=X,host_name=a")
	plan := w.planOnly()
	if err := notify.Enrich(t.Context(), plan.Notify, func(_ context.Context, m *alert.Message) {
		m.Alerts[0].Threshold = "> 90"
	}); err != nil {
		t.Fatal(err)
	}
	var m alert.Message
	if err := json.Unmarshal(plan.Notify[0].Payload, &m); err != nil || m.Alerts[0].Threshold != "> 90" || m.Title == "" {
		t.Errorf("%v %+v", err, m)
	}
	plan.Notify[0].Payload = []byte("x")
	if notify.Enrich(t.Context(), plan.Notify, nil) == nil {
		t.Error("a payload that is none is taken")
	}
}

func TestRouteTest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propertyConfig)
	got := w.p.TestRoute(labels("team=db,host_name=a,alertname=X"), start)
	if len(got) != 2 || got[0].Path != "0.0" || got[1].Path != "0.1" {
		t.Fatalf("matches %+v", got)
	}
	if !equal(got[0].Receivers, []string{"ben-sms"}) || len(got[0].Steps) != 1 ||
		got[0].Steps[0].After != 5*time.Minute || !equal(got[0].Steps[0].Receivers, []string{"boss-phone", "ops"}) ||
		len(got[0].GroupLabels) != 1 || len(got[1].GroupLabels) != 3 || got[0].MutedBy != "" {
		t.Errorf("matches %+v", got)
	}
	web := labels("team=web")
	if got := w.p.TestRoute(web, start.Add(30*time.Minute)); got[0].MutedBy != "time interval noon" {
		t.Errorf("muted %+v", got)
	}
	w.silence(alert.Silence{ID: "s1", Matchers: matchers(t, `team="web"`), Start: 1, End: start.Add(time.Hour).UnixMilli()})
	if got := w.p.TestRoute(web, start); got[0].MutedBy != "silence s1" {
		t.Errorf("silenced %+v", got)
	}
}

func TestOnCallOfThePlanner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, escalating)
	w.plan()
	for _, at := range []time.Time{start, start.Add(48 * time.Hour)} {
		if s, ok := w.p.OnCall("db", at); !ok || s.Person != "ben" {
			t.Errorf("at %s: %+v %t", at, s, ok)
		}
	}
	if _, ok := w.p.OnCall("none", start); ok {
		t.Error("there is a calendar that there is not")
	}
	if got := w.p.Shifts("db", start, start.Add(24*time.Hour)); len(got) != 2 || got[1].Person != "anna" {
		t.Errorf("shifts %+v", got)
	}
	if w.p.Shifts("none", start, start.Add(time.Hour)) != nil {
		t.Error("there are shifts of no calendar")
	}
}
