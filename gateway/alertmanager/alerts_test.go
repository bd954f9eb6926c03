package alertmanager_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
)

// crowd is alerts that fire.
func crowd() []*alertv1.Alert {
	one := func(name string, receivers ...string) *alertv1.Alert {
		return &alertv1.Alert{
			Id: "id-" + name, Fingerprint: "0123456789abcdef", Labels: map[string]string{"alertname": name, "team": strings.Join(receivers, "+")}, Receivers: receivers,
			State: alertv1.AlertState_ALERT_STATE_FIRING, FireTime: stamp(noon), EvaluationTime: stamp(noon.Add(90 * time.Second)),
		}
	}
	plain, silenced, inhibited, both := one("Plain", "ops"), one("Silenced", "db", "ops"), one("Inhibited", "db"), one("Both")
	plain.Annotations, plain.GeneratorUrl = map[string]string{"summary": "<high>"}, "https://x/y?a=b&c=d"
	silenced.SilencedBy, inhibited.InhibitedBy = []string{"s1"}, []string{"id-Plain"}
	both.SilencedBy, both.InhibitedBy, both.EvaluationTime = []string{"s1", "s2"}, []string{"x"}, nil
	return []*alertv1.Alert{plain, silenced, inhibited, both}
}

// shown returns the names of alerts.
func shown(list any) string {
	var out []string
	for _, a := range list.([]any) { //nolint:forcetypeassert // a test fails by it
		out = append(out, a.(map[string]any)["labels"].(map[string]any)["alertname"].(string)) //nolint:forcetypeassert // as above
	}
	return strings.Join(out, " ")
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wantJSON(t, "none", r.get("/api/v2/alerts"), `[]`)
	r.platform.alerts = crowd()
	got := r.get("/api/v2/alerts").([]any) //nolint:forcetypeassert // a test fails by it
	for _, a := range got {
		m := a.(map[string]any) //nolint:forcetypeassert // as above
		ends, err := time.Parse(time.RFC3339, m["endsAt"].(string))
		must(t, err)
		if d := time.Until(ends); d <= 0 || d > 10*time.Minute {
			t.Errorf("it ends in %s", d)
		}
		delete(m, "endsAt")
	}
	wantJSON(t, "alerts", got, `[
		{"labels": {"alertname": "Plain", "team": "ops"}, "annotations": {"summary": "<high>"}, "startsAt": "2026-03-02T12:00:00Z", "updatedAt": "2026-03-02T12:01:30Z",
		 "generatorURL": "https://x/y?a=b&c=d", "fingerprint": "0123456789abcdef", "receivers": [{"name": "ops"}],
		 "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}},
		{"labels": {"alertname": "Silenced", "team": "db+ops"}, "annotations": {}, "startsAt": "2026-03-02T12:00:00Z", "updatedAt": "2026-03-02T12:01:30Z",
		 "fingerprint": "0123456789abcdef", "receivers": [{"name": "db"}, {"name": "ops"}],
		 "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": [], "mutedBy": []}},
		{"labels": {"alertname": "Inhibited", "team": "db"}, "annotations": {}, "startsAt": "2026-03-02T12:00:00Z", "updatedAt": "2026-03-02T12:01:30Z",
		 "fingerprint": "0123456789abcdef", "receivers": [{"name": "db"}],
		 "status": {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["id-Plain"], "mutedBy": []}},
		{"labels": {"alertname": "Both", "team": ""}, "annotations": {}, "startsAt": "2026-03-02T12:00:00Z", "updatedAt": "2026-03-02T12:00:00Z",
		 "fingerprint": "0123456789abcdef", "receivers": [],
		 "status": {"state": "suppressed", "silencedBy": ["s1", "s2"], "inhibitedBy": ["x"], "mutedBy": []}}
	]`)
}

func TestAlertFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.platform.alerts, r.platform.pages = crowd(), 1 // page by page
	for query, want := range map[string]string{
		"":                                    "Plain Silenced Inhibited Both",
		"active=false":                        "Silenced Inhibited Both",
		"silenced=false":                      "Plain Inhibited",
		"inhibited=false":                     "Plain Silenced",
		"silenced=false&inhibited=0":          "Plain",
		"active=true&silenced=t":              "Plain Silenced Inhibited Both",
		"receiver=ops":                        "Plain Silenced",
		"receiver=o":                          "",
		"receiver=" + url.QueryEscape("d.|x"): "Silenced Inhibited",
		"receiver=db&silenced=false":          "Inhibited",
	} {
		if got := shown(r.get("/api/v2/alerts?" + query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	r.platform.listed = nil
	r.get("/api/v2/alerts?filter=" + url.QueryEscape(`a="b"`) + "&filter=c!~d")
	if req := r.platform.listed[0]; strings.Join(req.GetMatchers(), " ") != `a="b" c!~d` || len(req.GetStates()) != 1 || req.GetStates()[0] != alertv1.AlertState_ALERT_STATE_FIRING {
		t.Errorf("asked for %v", req)
	}
	for query, text := range map[string]string{
		"active=maybe":                          `active: \"maybe\"`,
		"silenced=2":                            "silenced",
		"receiver=(":                            "receiver",
		"receiver=" + strings.Repeat("x", 1001): "1001",
		"receiver=" + url.QueryEscape("(x{900}){900}"): "receiver",
	} {
		for _, path := range []string{"/api/v2/alerts?", "/api/v2/alerts/groups?"} {
			r.want(http.MethodGet, path+query, "", http.StatusBadRequest, text)
		}
	}
}

func TestPostAlerts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	code, body, _ := r.call(r.am, http.MethodPost, "/api/v2/alerts", `[
		{"labels": {"alertname": "A", "x": "y"}, "annotations": {"summary": "s"}, "startsAt": "2026-03-02T13:00:00.5+01:00", "endsAt": "2026-03-02T12:05:00Z", "generatorURL": "http://p"},
		{"labels": {"alertname": "B"}, "startsAt": "0001-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"},
		{"labels": {"alertname": "C"}, "startsAt": null, "more": 1}
	]`)
	if code != http.StatusOK || body != "" {
		t.Fatalf("%d %q", code, body)
	}
	if len(r.platform.sent) != 3 {
		t.Fatalf("%v", r.platform.sent)
	}
	a := r.platform.sent[0]
	if a.GetLabels()["x"] != "y" || a.GetAnnotations()["summary"] != "s" || a.GetGeneratorUrl() != "http://p" || !a.GetStartTime().AsTime().Equal(noon.Add(500*time.Millisecond)) || !a.GetEndTime().AsTime().Equal(noon.Add(5*time.Minute)) {
		t.Errorf("%v", a)
	}
	for _, b := range r.platform.sent[1:] {
		if b.GetStartTime() != nil || b.GetEndTime() != nil {
			t.Errorf("times that are not given: %v", b)
		}
	}
	// Some are refused: the others were taken, and the sender learns which not.
	r.platform.refusals = []*alertv1.SentAlertRefusal{{Alert: 1, Message: `labels: "a-b" is no name`}, {Alert: 2, Message: "x"}}
	r.want(http.MethodPost, "/api/v2/alerts", `[{"labels": {"alertname": "A"}}, {}, {}]`, http.StatusBadRequest, `2 of 3 alerts were refused, the first, number 1: labels: \"a-b\" is no name`)
	r.platform.refusals = nil
	r.want(http.MethodPost, "/api/v2/alerts", `[]`, http.StatusOK, "")
	for body, text := range map[string]string{
		"":                                "empty",
		"{":                               "no JSON",
		`{"labels": {}}`:                  "no JSON",
		`[{"labels": {"a": 1}}]`:          "no JSON",
		`[{"startsAt": "yesterday"}]`:     "no JSON",
		`[` + strings.Repeat(" ", 17<<20): "16777216 bytes",
	} {
		r.want(http.MethodPost, "/api/v2/alerts", body, http.StatusBadRequest, text)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.platform.matches = func(labels map[string]string) (out []*alertv1.RouteMatch) {
		for i, name := range strings.Split(labels["team"], "+") {
			if name != "" {
				out = append(out, &alertv1.RouteMatch{Path: fmt.Sprint("0.", i), Receivers: []string{name}, GroupLabels: map[string]string{"team": labels["team"]}})
			}
		}
		if labels["alertname"] == "Both" {
			out = append(out, &alertv1.RouteMatch{Path: "0", Receivers: []string{"ops"}})
		}
		return out
	}
	wantJSON(t, "none", r.get("/api/v2/alerts/groups"), `[]`)
	r.platform.alerts = append(crowd(), crowd()[0])
	groups := func(query string) string {
		var out []string
		for _, g := range r.get("/api/v2/alerts/groups?" + query).([]any) { //nolint:forcetypeassert // a test fails by it
			m := g.(map[string]any) //nolint:forcetypeassert // as above
			if len(m) != 3 {
				t.Errorf("group %v", m)
			}
			b, err := json.Marshal(m["labels"])
			must(t, err)
			out = append(out, fmt.Sprint(m["receiver"].(map[string]any)["name"], string(b), shown(m["alerts"])))
		}
		return strings.Join(out, "\n")
	}
	for query, want := range map[string]string{
		"": `ops{}Both
db{"team":"db"}Inhibited
db{"team":"db+ops"}Silenced
ops{"team":"ops"}Plain Plain
ops{"team":"db+ops"}Silenced`,
		"receiver=ops&inhibited=false": `ops{"team":"ops"}Plain Plain
ops{"team":"db+ops"}Silenced`,
		"silenced=false&inhibited=false": `ops{"team":"ops"}Plain Plain`,
		"receiver=nobody":                "",
	} {
		if got := groups(query); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
	for range 5001 {
		r.platform.alerts = append(r.platform.alerts, crowd()[0])
	}
	r.want(http.MethodGet, "/api/v2/alerts/groups", "", http.StatusBadRequest, "give a filter")
}

// What the platform refuses or cannot do has the code that clients expect.
func TestErrors(t *testing.T) {
	t.Parallel()
	for kind, code := range map[fault.Kind]int{
		fault.Invalid: 400, fault.Conflict: 400, fault.NotFound: 404, fault.Denied: 403, fault.Exhausted: 429, fault.Unavailable: 503, fault.Internal: 500,
	} {
		r := newRig(t)
		r.platform.err = fault.New(kind, "reason", "it is %q", "so")
		text := `"it is \"so\""`
		if kind == fault.Internal {
			text = `"internal error"`
		}
		for _, path := range []string{"alerts", "alerts/groups", "silences", "receivers", "status"} {
			r.want(http.MethodGet, "/api/v2/"+path, "", code, text)
		}
		r.want(http.MethodPost, "/api/v2/alerts", "[]", code, text)
		r.want(http.MethodPost, "/api/v2/silences", "{}", code, text)
		r.want(http.MethodDelete, "/api/v2/silence/x", "", code, text)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for path, methods := range map[string]string{
		"/api/v2/status": "POST PUT DELETE", "/api/v2/receivers": "POST", "/api/v2/alerts": "PUT DELETE", "/api/v2/alerts/groups": "POST", "/api/v2/silences": "PUT DELETE", "/api/v2/silence/x": "POST PUT",
	} {
		for _, method := range strings.Fields(methods) {
			if code, _, header := r.call(r.am, method, path, ""); code != http.StatusMethodNotAllowed || header.Get("Allow") == "" {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	for _, path := range []string{"/", "/api/v1/alerts", "/api/v2/nothing", "/api/v2/silence/"} {
		if code, _, _ := r.call(r.am, http.MethodGet, path, ""); code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, code)
		}
	}
	wantJSON(t, "healthy", r.get("/-/healthy"), `"OK"`)
	wantJSON(t, "ready", r.get("/-/ready"), `"OK"`)
}

// A time that JSON cannot have is the platform's mistake, not an empty answer.
func TestAnswersThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.platform.alerts = crowd()[:1]
	r.platform.alerts[0].FireTime.Seconds = 1 << 40
	r.want(http.MethodGet, "/api/v2/alerts", "", http.StatusInternalServerError, "cannot be written")
}
