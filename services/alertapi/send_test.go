package alertapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

// sent returns the alerts that wait for the leader, by name.
func (r *rig) sent() map[string]alert.Alert {
	r.t.Helper()
	list, err := r.store.External(r.t.Context(), 20_000)
	must(r.t, err)
	out := map[string]alert.Alert{}
	for _, x := range list {
		out[x.Alert.Name()] = x.Alert
	}
	return out
}

func TestSendAlerts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := r.now()
	before, after := stamp(now.Add(-time.Hour)), stamp(now.Add(time.Hour))
	res := ok(t, r.alerts.SendAlerts, &alertv1.SendAlertsRequest{Alerts: []*alertv1.SentAlert{
		{Labels: map[string]string{"alertname": "Plain", "empty": ""}, Annotations: map[string]string{"summary": "s"}, GeneratorUrl: "https://p"},
		{Labels: map[string]string{"alertname": "Spans"}, StartTime: before, EndTime: after},
		{Labels: map[string]string{"alertname": "Over"}, StartTime: before, EndTime: stamp(now)},
		{Labels: map[string]string{"alertname": "OverSince"}, EndTime: before},
		{Labels: map[string]string{"alertname": "Ends"}, EndTime: after},
	}})
	if res.GetAccepted() != 5 || len(res.GetRefusals()) != 0 {
		t.Fatalf("%v", res)
	}
	ms := func(d time.Duration) int64 { return now.Add(d).UnixMilli() }
	got := r.sent()
	for _, want := range []struct {
		name                          string
		state                         alert.State
		active, fired, resolved, ends int64
	}{
		{"Plain", alert.Firing, ms(0), ms(0), 0, ms(5 * time.Minute)},
		{"Spans", alert.Firing, ms(-time.Hour), ms(-time.Hour), 0, ms(time.Hour)},
		{"Over", alert.Resolved, ms(-time.Hour), ms(-time.Hour), ms(0), ms(0)},
		{"OverSince", alert.Resolved, ms(-time.Hour), ms(-time.Hour), ms(-time.Hour), ms(-time.Hour)},
		{"Ends", alert.Firing, ms(0), ms(0), 0, ms(time.Hour)},
	} {
		a := got[want.name]
		if a.State != want.state || a.Active != want.active || a.Fired != want.fired || a.Resolved != want.resolved || a.Ends != want.ends || a.RuleID != "" {
			t.Errorf("%s: %+v, want %+v", want.name, a, want)
		}
	}
	plain := got["Plain"]
	if plain.Annotations["summary"] != "s" || plain.GeneratorURL != "https://p" || plain.Labels.Get("empty") != "" || len(plain.Labels) != 1 || plain.Key != alert.KeyOf("", plain.Labels) {
		t.Errorf("%+v", plain)
	}
	equal(t, "changes told", r.changed.Load(), 1)
}

func TestSendAlertsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := func(pairs ...string) map[string]string {
		m := map[string]string{"alertname": "Bad"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	broken := &timestamppb.Timestamp{Seconds: 1 << 60}
	bad := []struct {
		alert *alertv1.SentAlert
		text  string
	}{
		{&alertv1.SentAlert{}, "alertname is missing"},
		{&alertv1.SentAlert{Labels: map[string]string{"alertname": ""}}, "alertname is missing"},
		{&alertv1.SentAlert{Labels: name("a-b", "c")}, `"a-b" is no name`},
		{&alertv1.SentAlert{Labels: name("", "c")}, "is no name"},
		{&alertv1.SentAlert{Labels: name("1\n<b>", "c")}, "is no name"},
		{&alertv1.SentAlert{Labels: name("x", "a\x00b")}, "the value of x"},
		{&alertv1.SentAlert{Labels: name("x", strings.Repeat("v", 70_000))}, "the limit is 65536"},
		{&alertv1.SentAlert{Labels: name(), Annotations: map[string]string{"summary": strings.Repeat("v", 70_000)}}, "the limit is 65536"},
		{&alertv1.SentAlert{Labels: name(), Annotations: map[string]string{"summary": "\x00"}}, "annotations: summary"},
		{&alertv1.SentAlert{Labels: name(), GeneratorUrl: "https://\x00"}, "generator_url"},
		{&alertv1.SentAlert{Labels: name(), GeneratorUrl: strings.Repeat("v", 70_000)}, "the limit is 65536"},
		{&alertv1.SentAlert{Labels: name(), StartTime: stamp(start), EndTime: stamp(start.Add(-time.Second))}, "before start_time"},
		{&alertv1.SentAlert{Labels: name(), StartTime: broken}, "start_time"},
		{&alertv1.SentAlert{Labels: name(), EndTime: broken}, "end_time"},
	}
	req := &alertv1.SendAlertsRequest{}
	for _, b := range bad {
		req.Alerts = append(req.Alerts, b.alert)
	}
	req.Alerts = append(req.Alerts, &alertv1.SentAlert{Labels: map[string]string{"alertname": "Good", "text": "<script>\n\u2028"}})
	res := ok(t, r.alerts.SendAlerts, req)
	if res.GetAccepted() != 1 || len(res.GetRefusals()) != len(bad) {
		t.Fatalf("%d accepted, refused %v", res.GetAccepted(), res.GetRefusals())
	}
	for i, b := range bad {
		if got := res.GetRefusals()[i]; int(got.GetAlert()) != i || !strings.Contains(got.GetMessage(), b.text) {
			t.Errorf("number %d: %v, want %q", i, got, b.text)
		}
	}
	got := r.sent()
	if len(got) != 1 || got["Good"].Labels.Get("text") != "<script>\n\u2028" {
		t.Errorf("taken in: %v", got)
	}
	// Nothing good: nothing changes.
	ok(t, r.alerts.SendAlerts, &alertv1.SendAlertsRequest{Alerts: req.GetAlerts()[:1]})
	ok(t, r.alerts.SendAlerts, &alertv1.SendAlertsRequest{})
	equal(t, "changes told", r.changed.Load(), 1)
}

func TestSendManyAlerts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	req := &alertv1.SendAlertsRequest{}
	for i := range 10_001 {
		req.Alerts = append(req.Alerts, &alertv1.SentAlert{Labels: map[string]string{"alertname": fmt.Sprint("A", i)}})
	}
	refused(t, r.alerts.SendAlerts, req, fault.Invalid, "too_many_alerts", "10001")
	equal(t, "taken in", len(r.sent()), 0)
	req.Alerts = req.Alerts[:10_000]
	equal(t, "accepted", ok(t, r.alerts.SendAlerts, req).GetAccepted(), 10_000)
}
