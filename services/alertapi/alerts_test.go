package alertapi_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

const (
	firing   = alertv1.AlertState_ALERT_STATE_FIRING
	pending  = alertv1.AlertState_ALERT_STATE_PENDING
	resolved = alertv1.AlertState_ALERT_STATE_RESOLVED
)

// crowd is alerts in the order in which they are listed.
func crowd() []alert.Alert {
	return []alert.Alert{
		an(alert.Firing, time.Minute, "alertname", "A", "severity", "critical", "team", "web", "host_name", "h1"),
		an(alert.Firing, time.Hour, "alertname", "B", "severity", "critical", "team", "db", "host_name", "h2"),
		an(alert.Firing, 2*time.Minute, "alertname", "C", "severity", "warning", "team", "db", "host_name", "h3"),
		an(alert.Firing, time.Second, "alertname", "D", "severity", "info"),
		an(alert.Firing, time.Second, "alertname", "E"),
		an(alert.Pending, time.Second, "alertname", "F", "severity", "critical", "host_name", "h1"),
		an(alert.Pending, time.Second, "alertname", "G", "severity", "warning"),
		an(alert.Resolved, time.Second, "alertname", "H", "severity", "critical"),
		an(alert.Resolved, time.Minute, "alertname", "I", "severity", "critical"),
	}
}

func TestListAlertsOrderAndFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	list := crowd()
	for _, i := range []int{5, 3, 8, 1, 0, 7, 2, 6, 4} { // whatever the database returns
		r.put(list[i])
	}
	for _, c := range []struct {
		req  *alertv1.ListAlertsRequest
		want string
	}{
		{&alertv1.ListAlertsRequest{}, "A B C D E F G"},
		{&alertv1.ListAlertsRequest{States: []alertv1.AlertState{pending, resolved}}, "F G H I"},
		{&alertv1.ListAlertsRequest{States: []alertv1.AlertState{firing, firing}}, "A B C D E"},
		{&alertv1.ListAlertsRequest{Matchers: []string{`team=~"web|db"`, `severity!="warning"`}}, "A B"},
		{&alertv1.ListAlertsRequest{Matchers: []string{`{team="",severity="info"}`}}, "D"},
		{&alertv1.ListAlertsRequest{Matchers: []string{`team="nobody"`}}, ""},
		{&alertv1.ListAlertsRequest{Ids: []string{string(list[8].Key), "none", string(list[1].Key)}}, "I B"},
	} {
		res := ok(t, r.alerts.ListAlerts, c.req)
		if got := names(res.GetAlerts()); got != c.want || res.GetTotalSize() != int64(len(res.GetAlerts())) {
			t.Errorf("%v: got %s, total %d, want %s", c.req, got, res.GetTotalSize(), c.want)
		}
	}
}

func TestListAlertsConditionsAndCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	list := crowd()
	list[0].Hold = &alert.Hold{Reason: alert.AgentSilent, Message: "it is silent", Since: 1000}
	list[3].NoData = true
	down := an(alert.Firing, time.Hour, "alertname", "HostDown", "severity", "critical", "host_name", "h3") // inhibits C
	r.put(append(list, down)...)
	ok(t, r.silences.CreateSilence, &alertv1.CreateSilenceRequest{Silence: &alertv1.Silence{Matchers: []string{`alertname="B"`}, EndTime: stamp(r.now().Add(time.Hour)), Comment: "x"}})
	ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: []string{string(list[4].Key)}})
	for _, c := range []struct {
		conditions []string
		active     bool
		want       string
	}{
		{[]string{"held"}, false, "A"},
		{[]string{"no_data"}, false, "D"},
		{[]string{"silenced"}, false, "B"},
		{[]string{"acknowledged"}, false, "E"},
		{[]string{"inhibited"}, false, "C"},
		{[]string{"flapping"}, false, ""},
		{[]string{"held", "acknowledged"}, false, "A E"},
		{nil, true, "A HostDown D F G"},
		{[]string{"silenced", "held"}, true, "A"},
	} {
		res := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Conditions: c.conditions, ActiveOnly: c.active})
		if got := names(res.GetAlerts()); got != c.want {
			t.Errorf("%v %v: got %s, want %s", c.conditions, c.active, got, c.want)
		}
		want := map[string]int64{"firing": 6, "pending": 2, "resolved": 2, "held": 1, "no_data": 1, "silenced": 1, "acknowledged": 1, "inhibited": 1}
		if !maps.Equal(res.GetCounts(), want) {
			t.Errorf("counts %v, want %v", res.GetCounts(), want)
		}
	}
	res := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{Matchers: []string{`host_name="h1"`}, States: []alertv1.AlertState{resolved}})
	if want := map[string]int64{"firing": 1, "pending": 1, "held": 1}; !maps.Equal(res.GetCounts(), want) || res.GetTotalSize() != 0 {
		t.Errorf("counts %v, total %d, want %v", res.GetCounts(), res.GetTotalSize(), want)
	}
}

func TestAlertHasAllThatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := ofRule(an(alert.Firing, time.Minute, "alertname", "Load", "severity", "warning", "team", "db", "host_name", "h1"), ruleID("web", "Load"))
	a.Annotations, a.GeneratorURL, a.Value = map[string]string{"summary": "high"}, "https://x", 9
	a.Hold, a.NoData = &alert.Hold{Reason: alert.AgentCatchingUp, Message: "wait", Since: 5000}, true
	r.put(a)
	got := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{}).GetAlerts()[0]
	same(t, "alert", got, &alertv1.Alert{
		Id: string(a.Key), Fingerprint: alert.Fingerprint(a.Labels), State: firing, Value: 9, NoData: true,
		Labels:      map[string]string{"alertname": "Load", "severity": "warning", "team": "db", "host_name": "h1"},
		Annotations: map[string]string{"summary": "high"}, GeneratorUrl: "https://x", RuleId: a.RuleID, Receivers: []string{"db"},
		ActiveTime: stamp(start.Add(-time.Minute)), FireTime: stamp(start.Add(-time.Minute)), EvaluationTime: stamp(start),
		Hold:      &alertv1.Hold{Reason: "agent_catching_up", Message: "wait", SinceTime: stamp(time.UnixMilli(5000))},
		Threshold: "> 5", Unit: "1",
	})
}

// Pages are of one list while alerts come and go: none is left out or shown twice.
func TestListAlertsPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var all []alert.Alert
	for i := range 25 {
		// Several of a time and a severity.
		all = append(all, an(alert.Firing, time.Duration(i/4)*time.Minute, "alertname", fmt.Sprintf("A%02d", i), "severity", []string{"critical", "warning"}[i%2]))
	}
	r.put(all...)
	whole := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{PageSize: 1000})
	equal(t, "token of the last page", whole.GetNextPageToken(), "")
	want := strings.Fields(names(whole.GetAlerts()))
	var got []string
	for req := (&alertv1.ListAlertsRequest{PageSize: 1}); ; {
		res := ok(t, r.alerts.ListAlerts, req)
		got = append(got, names(res.GetAlerts()))
		equal(t, "total", res.GetTotalSize(), 25)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || len(got) > 100 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("one by one %v\nwant %v", got, want)
	}
	got = nil
	req := &alertv1.ListAlertsRequest{PageSize: 7}
	for page := 0; ; page++ {
		res := ok(t, r.alerts.ListAlerts, req)
		got = append(got, strings.Fields(names(res.GetAlerts()))...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || len(got) > 100 {
			break
		}
		// What was shown goes, and new ones come at the front: nothing shifts.
		r.commit(&alert.Commit{
			Forget: []alert.Key{alert.Key(res.GetAlerts()[6].GetId()), alert.Key(res.GetAlerts()[0].GetId())},
			Alerts: []alert.Alert{an(alert.Firing, -time.Duration(page)*time.Minute, "alertname", fmt.Sprintf("N%d", page), "severity", "critical")},
		})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestListAlertsRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(crowd()...)
	token := ok(t, r.alerts.ListAlerts, &alertv1.ListAlertsRequest{PageSize: 1}).GetNextPageToken()
	groups := ok(t, r.alerts.ListAlertGroups, &alertv1.ListAlertGroupsRequest{PageSize: 1}).GetNextPageToken()
	for _, c := range []struct {
		req          *alertv1.ListAlertsRequest
		reason, text string
	}{
		{&alertv1.ListAlertsRequest{PageSize: -1}, "page_size_invalid", "page_size: -1"},
		{&alertv1.ListAlertsRequest{Matchers: []string{"severity"}}, "matcher_invalid", "matchers: "},
		{&alertv1.ListAlertsRequest{Matchers: []string{`a=~"("`}}, "matcher_invalid", "regular expression for a"},
		{&alertv1.ListAlertsRequest{Conditions: []string{"nice"}}, "condition_unknown", `"nice"`},
		{&alertv1.ListAlertsRequest{PageToken: "x!"}, "page_token_invalid", "next_page_token"},
		{&alertv1.ListAlertsRequest{PageToken: token[:len(token)-2]}, "page_token_invalid", ""},
		{&alertv1.ListAlertsRequest{PageToken: groups}, "page_token_invalid", ""},
		{&alertv1.ListAlertsRequest{PageToken: strings.Repeat("A", 10_000)}, "page_token_invalid", ""},
		{&alertv1.ListAlertsRequest{Ids: make([]string, 1001)}, "too_many_ids", "1001"},
	} {
		refused(t, r.alerts.ListAlerts, c.req, fault.Invalid, c.reason, c.text)
	}
}

func TestGetAlert(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := ofRule(an(alert.Firing, time.Minute, "alertname", "Load", "severity", "warning", "host_name", "h1"), ruleID("web", "Load"))
	old := alert.Episode{Key: a.Key, RuleID: a.RuleID, Labels: a.Labels, Active: 1000, Fired: 2000, Resolved: 3000, FireValue: 6, LastValue: 7, Corrected: true}
	now := old
	now.Fired, now.Resolved = a.Fired, 0
	r.commit(&alert.Commit{
		Alerts: []alert.Alert{a}, Episodes: []alert.Episode{old, now},
		Events: []alert.Event{{Key: a.Key, Time: 2000, Kind: alert.EventFiring, Value: 6}, {Key: a.Key, Time: 3000, Kind: alert.EventResolved, Message: "over", Value: 7, Author: "ann"}},
	})
	res := ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: string(a.Key)})
	equal(t, "id", res.GetAlert().GetId(), string(a.Key))
	equal(t, "rule", res.GetRule().GetName(), "Load")
	same(t, "graph", res.GetGraph(), &alertv1.Graph{Query: `load{env="prod",host_name="h1"}`, Unit: "1", Thresholds: []*alertv1.Threshold{{Op: ">", Value: 5}}})
	if len(res.GetEvents()) != 2 || len(res.GetEpisodes()) != 2 {
		t.Fatalf("%d events, %d episodes", len(res.GetEvents()), len(res.GetEpisodes()))
	}
	same(t, "newest event", res.GetEvents()[0], &alertv1.AlertEvent{Time: stamp(time.UnixMilli(3000)), Kind: "resolved", Message: "over", Value: 7, Author: "ann"})
	same(t, "older episode", res.GetEpisodes()[1], &alertv1.Episode{
		AlertId: string(a.Key), RuleId: a.RuleID, Labels: map[string]string{"alertname": "Load", "severity": "warning", "host_name": "h1"},
		ActiveTime: stamp(time.UnixMilli(1000)), FireTime: stamp(time.UnixMilli(2000)), ResolveTime: stamp(time.UnixMilli(3000)), FireValue: 6, LastValue: 7, Corrected: true,
	})
	// It is over and forgotten: what is kept of it is told.
	r.commit(&alert.Commit{Forget: []alert.Key{a.Key}})
	res = ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: string(a.Key)})
	if got := res.GetAlert(); got.GetState() != resolved || got.GetLabels()["host_name"] != "h1" || got.GetThreshold() != "> 5" || got.GetFingerprint() != alert.Fingerprint(a.Labels) {
		t.Errorf("a past alert: %v", got)
	}
	equal(t, "rule of a past alert", res.GetRule().GetName(), "Load")
	refused(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: "none"}, fault.NotFound, "alert_not_found", `"none"`)
	refused(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: "a\x00b"}, fault.Invalid, "id_invalid", "NUL")
}

// Alerts from outside, and those whose rule is gone, have no rule and no graph.
func TestGetAlertWithoutRule(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	outside := an(alert.Firing, time.Minute, "alertname", "Sent")
	gone := ofRule(an(alert.Firing, time.Minute, "alertname", "Gone"), "rules/old.yaml;g;Gone")
	r.put(outside, gone)
	for _, a := range []alert.Alert{outside, gone} {
		res := ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: string(a.Key)})
		if res.GetRule() != nil || res.GetGraph() != nil || res.GetAlert().GetThreshold() != "" {
			t.Errorf("%v", res)
		}
	}
	r.config.loaded.Store(nil)
	r.pass(2 * time.Second)
	res := ok(t, r.alerts.GetAlert, &alertv1.GetAlertRequest{Id: string(gone.Key)})
	equal(t, "alert without any configuration", res.GetAlert().GetId(), string(gone.Key))
}

func TestAlertGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	list := []alert.Alert{
		an(alert.Firing, time.Minute, "alertname", "Disk", "severity", "warning", "host_name", "h1"),
		an(alert.Firing, time.Second, "alertname", "Disk", "severity", "warning", "host_name", "h2"),
		an(alert.Pending, time.Second, "alertname", "Disk", "severity", "critical", "host_name", "h3"), // does not fire: does not count for the severity
		an(alert.Firing, time.Hour, "alertname", "Load", "severity", "critical", "host_name", "h1"),
		an(alert.Resolved, time.Second, "alertname", "Load", "severity", "critical", "host_name", "h2"),
		an(alert.Pending, time.Second, "alertname", "Mem", "severity", "critical", "host_name", "h1"),
		an(alert.Firing, time.Second, "alertname", "Net", "severity", "critical"),
		an(alert.Firing, time.Second, "alertname", "Net", "severity", "critical", "host_name", "h2"),
	}
	list[0].Hold = &alert.Hold{Reason: alert.AgentSilent, Since: 1}
	r.put(list...)
	ok(t, r.alerts.Acknowledge, &alertv1.AcknowledgeRequest{Ids: []string{string(list[1].Key)}})
	ok(t, r.silences.CreateSilence, &alertv1.CreateSilenceRequest{Silence: &alertv1.Silence{Matchers: []string{`host_name="h2"`}, EndTime: stamp(r.now().Add(time.Hour))}})
	res := ok(t, r.alerts.ListAlertGroups, &alertv1.ListAlertGroupsRequest{})
	var got []string
	for _, g := range res.GetGroups() {
		got = append(got, g.GetValue())
	}
	equal(t, "order", strings.Join(got, " "), "Net Load Mem Disk")
	same(t, "Disk", res.GetGroups()[3], &alertv1.AlertGroup{Value: "Disk", Firing: 2, Pending: 1, Severity: "warning", FireTime: stamp(start.Add(-time.Second)), Held: 1, Acknowledged: 1, Silenced: 1})
	same(t, "Mem", res.GetGroups()[2], &alertv1.AlertGroup{Value: "Mem", Pending: 1, Severity: "critical"})
	res = ok(t, r.alerts.ListAlertGroups, &alertv1.ListAlertGroupsRequest{By: "host_name", States: []alertv1.AlertState{resolved}})
	if len(res.GetGroups()) != 1 {
		t.Fatalf("%v", res)
	}
	same(t, "resolved", res.GetGroups()[0], &alertv1.AlertGroup{Value: "h2", Resolved: 1, Severity: "critical", Silenced: 1})
	res = ok(t, r.alerts.ListAlertGroups, &alertv1.ListAlertGroupsRequest{By: "host_name", Matchers: []string{`alertname="Net"`}, ActiveOnly: true})
	if len(res.GetGroups()) != 1 || res.GetGroups()[0].GetValue() != "" {
		t.Errorf("group without the label: %v", res)
	}
	for _, c := range []struct {
		req    *alertv1.ListAlertGroupsRequest
		reason string
	}{
		{&alertv1.ListAlertGroupsRequest{By: "a-b"}, "label_name_invalid"},
		{&alertv1.ListAlertGroupsRequest{By: strings.Repeat("a", 5000)}, "label_name_invalid"},
		{&alertv1.ListAlertGroupsRequest{PageSize: -5}, "page_size_invalid"},
		{&alertv1.ListAlertGroupsRequest{Conditions: []string{"x"}}, "condition_unknown"},
		{&alertv1.ListAlertGroupsRequest{PageToken: "e30"}, "page_token_invalid"},
	} {
		refused(t, r.alerts.ListAlertGroups, c.req, fault.Invalid, c.reason, "")
	}
}

// Values of labels may be long and hostile, and pages go on all the same.
func TestAlertGroupPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var list []alert.Alert
	for i := range 12 {
		value := fmt.Sprintf("v%02d", i%3)
		if i >= 3 {
			value = strings.Repeat("ä\u2028\"\x01<", 2000) + strings.Repeat("x", i) // alike for long, and longer than a token may be
		}
		list = append(list, an(alert.Firing, time.Minute, "alertname", "A", "v", value, "n", fmt.Sprint(i)))
	}
	r.put(list...)
	whole := ok(t, r.alerts.ListAlertGroups, &alertv1.ListAlertGroupsRequest{By: "v"})
	equal(t, "groups", len(whole.GetGroups()), 12)
	var got []string
	for req := (&alertv1.ListAlertGroupsRequest{By: "v", PageSize: 1}); ; {
		res := ok(t, r.alerts.ListAlertGroups, req)
		equal(t, "total", res.GetTotalSize(), 12)
		for _, g := range res.GetGroups() {
			got = append(got, g.GetValue())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" || len(got) > 100 {
			break
		}
	}
	for i, g := range whole.GetGroups() {
		if i >= len(got) || g.GetValue() != got[i] {
			t.Fatalf("page by page %d groups; number %d differs", len(got), i)
		}
	}
}
