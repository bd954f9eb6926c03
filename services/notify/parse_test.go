package notify_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

func TestParse(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := notify.Parse(content, "routes.yaml", []string{"teams-ops", "mail-db", "pager", "anna-sms", "ben-sms"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	root := cfg.Route
	if root.Receiver != "teams-ops" || !root.Grow || root.GroupInterval != 5*time.Second ||
		root.RepeatInterval != 4*time.Hour || root.GroupWait != 0 || !equal(root.GroupBy, []string{"alertname"}) {
		t.Errorf("root %+v", root)
	}
	db := root.Routes[0]
	if db.Path != "0.0" || db.Escalation != "database" || db.Receiver != "" || !db.Continue || db.Grow ||
		db.GroupInterval != time.Minute || len(db.Matchers) != 3 || !equal(db.Mute, []string{"nights"}) {
		t.Errorf("db %+v", db)
	}
	if child := db.Routes[0]; child.Receiver != "mail-db" || child.Escalation != "" || child.Continue ||
		child.Mute != nil || child.GroupInterval != time.Minute || !child.GroupByAll || child.Path != "0.0.0" {
		t.Errorf("child %+v", child)
	}
	if got := cfg.Escalations["database"]; !reflect.DeepEqual(got, &notify.Escalation{
		Steps: []notify.Step{
			{To: []string{"oncall/db"}},
			{After: 15 * time.Minute, To: []string{"person/anna", "pager"}},
		},
		Repeat: time.Hour,
	}) {
		t.Errorf("escalation %+v", got)
	}
	if want := (notify.Limits{
		Messages: 30, Window: 10 * time.Minute, FlapTimes: 5, FlapWindow: time.Hour, FlapCalm: 20 * time.Minute,
	}); cfg.Limits != want {
		t.Errorf("limits %+v", cfg.Limits)
	}
	c := cfg.Calendars["db"]
	if c.Zone.String() != "Europe/Berlin" || len(c.Layers) != 2 {
		t.Fatalf("calendar %+v", c)
	}
	if want := (oncall.Layer{
		Start: oncall.Date{Year: 2026, Month: 1, Day: 5}, Handover: 9 * 60, Rotation: []string{"ben"}, Hours: 12,
		Restrictions: []oncall.Restriction{{Days: [7]bool{false, true, true, true, true, true, false}, From: 480, To: 1080}},
	}); !reflect.DeepEqual(c.Layers[1], want) {
		t.Errorf("layer %+v", c.Layers[1])
	}
	if got := cfg.Intervals["nights"]; !reflect.DeepEqual(got, []interval.Interval{
		{Times: []interval.Range{{Begin: 0, End: 360}, {Begin: 1320, End: 1440}}, Location: c.Zone},
		{Weekdays: []interval.Range{{Begin: 6, End: 6}, {}}, DaysOfMonth: []interval.Range{{Begin: 1, End: 7}, {Begin: -3, End: -1}},
			Months: []interval.Range{{Begin: 1, End: 3}, {Begin: 12, End: 12}}, Years: []interval.Range{{Begin: 2026, End: 2030}}},
	}) {
		t.Errorf("intervals %+v", got)
	}
}

// What is wrong is named with its line, its column and its field.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "routes.yaml: route: it is missing"},
		{"route: {receiver: ops", "not valid YAML"},
		{"route: {receiver: ops}\n---\nroute: {}", "a second YAML document"},
		{"route: [a]", "routes.yaml:1:8: route: a mapping is expected"},
		{"rout: {receiver: ops}", "routes.yaml:1:1: rout: there is no such field; did you mean route?"},
		{"route:\n  receivr: ops", "routes.yaml:2:3: route.receivr: there is no such field; did you mean receiver?"},
		{"route: {receiver: opps}", `routes.yaml:1:19: route.receiver: there is no receiver "opps"; did you mean ops?`},
		{"route: {}", "route: receiver: it is missing"},
		{"route: {receiver: ops, matchers: [a=b]}", "the root takes every alert"},
		{"route: {receiver: ops, continue: true}", "nothing comes after the root"},
		{"route: {receiver: ops, continue: maybe}", `"maybe" is neither true nor false`},
		{"route: {receiver: ops, mute_time_intervals: [x]}", "the root must not have any"},
		{"route: {receiver: ops, group_by: [a, a]}", `"a" is there twice`},
		{"route: {receiver: ops, group_by: [a, '...']}", "it must stand alone"},
		{"route: {receiver: ops, group_by: [a-b]}", `"a-b" is no name of a label`},
		{"route: {receiver: ops, group_wait: 5 minutes}", `"5 minutes" is no duration`},
		{"route: {receiver: ops, group_interval: 0s}", "0s is too short"},
		{"route: {receiver: ops, repeat_interval: 0s}", "0s is too short"},
		{"route: {receiver: ops, receiver: ops}", "route.receiver: it is there twice"},
		{"route:\n  receiver: ops\n  routes:\n  - matchers: ['a=~\"(\"']", `routes.yaml:4:15: route.routes[0].matchers: matcher "a=~\"(\"": regular expression for a`},
		{"route: {receiver: ops, routes: [{match: {a-b: x}}]}", "route.routes[0].match.a-b"},
		{"route: {receiver: ops, routes: [{match_re: {a: }}]}", "route.routes[0].match_re.a: one value is expected"},
		{"route: {receiver: ops, routes: [{mute_time_intervals: [x]}]}", `there is no time interval "x"; there are none`},
		{"route: {receiver: ops, escalation: x}", `there is no escalation "x"`},
		{"route: {receiver: ops}\nglobal: {}", "settings of receivers are in receivers.yaml"},
		{"route: {receiver: ops}\ntime_intervals: [{name: a}, {name: a}]", "there are two time intervals"},
		{"route: {receiver: ops}\ntime_intervals: [{time_intervals: []}]", "name: a name of 1 to 200 bytes"},
		{times("times: [{start_time: '12:00', end_time: '11:00'}]"), "start_time must be before end_time"},
		{times("times: [{start_time: '12:00'}]"), "start_time and end_time are both needed"},
		{times("times: [{start_time: '1:00', end_time: '11:00'}]"), `"1:00" is no time of day`},
		{times("weekdays: ['friday:monday']"), "the week begins on Sunday"},
		{times("weekdays: [fryday]"), `"fryday" cannot be read`},
		{times("days_of_month: ['-1:3']"), "the end must count from the end"},
		{times("days_of_month: ['0']"), "0 is no day of a month"},
		{times("months: ['13']"), `"13" cannot be read`},
		{times("years: ['2030:2020']"), "ends before it begins"},
		{times("location: Mars/Base"), `"Mars/Base" is no time zone`},
		{"route: {receiver: ops}\nlimits: {messages: 1}", "a whole number from 2"},
		{"route: {receiver: ops}\nlimits: {flapping: {times: 1}}", "fires once does not flap"},
		{"route: {receiver: ops}\nescalations: {e: {}}", "steps are expected"},
		{"route: {receiver: ops}\nescalations: {e: {steps: [{after: 1m, to: [oncall/x]}]}}", `there is no calendar under on_call "x"`},
		{"route: {receiver: ops}\nescalations: {e: {steps: [{after: 1m, to: [person/x]}]}}", `there is no person under people "x"`},
		{"route: {receiver: ops}\nescalations: {e: {steps: [{after: 1m}]}}", "to: at least one receiver"},
		{"route: {receiver: ops}\nescalations: {e: {steps: [{after: 2m, to: ops}, {to: ops}]}}", "the order of their time"},
		{"route: {receiver: ops}\nescalations: {e: {repeat: 1m, steps: [{after: 2m, to: ops}]}}", "longer than the last step's after"},
		{"route: {receiver: ops}\npeople: {a: []}", "at least one receiver is expected"},
		{calendar("rotation: [a]"), "start: the day"},
		{calendar("start: 2026-01-01"), "rotation: at least one person"},
		{calendar("rotation: [b], start: 2026-01-01"), `there is no person under people "b"; did you mean a?`},
		{calendar("rotation: [a], start: yesterday"), `"yesterday" is no day`},
		{calendar("rotation: [a], start: 2026-01-01, shift: 5m"), `"5m" is no length of a shift`},
		{calendar("rotation: [a], start: 2026-01-01, handover: noon"), `"noon" is no time of day`},
	} {
		cfg, problems := notify.Parse([]byte(c.text), "routes.yaml", []string{"ops"})
		if cfg != nil || len(problems) == 0 {
			t.Errorf("%q: no problem; want %q", c.text, c.want)
			continue
		}
		var all []string
		for _, p := range problems {
			all = append(all, p.Error())
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%q:\n%s\nwant %q", c.text, got, c.want)
		}
	}
}

func times(text string) string {
	return "route: {receiver: ops}\ntime_intervals: [{name: a, time_intervals: [{" + text + "}]}]"
}

func calendar(text string) string {
	return "route: {receiver: ops}\npeople: {a: ops}\non_call: {c: {" + text + "}}"
}

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n",
			'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	deep := "route: {receiver: ops"
	for range 200 {
		deep += ", routes: [{receiver: ops"
	}
	deep += strings.Repeat("}]", 200) + "}"
	for name, text := range map[string]string{
		"aliases":     "route: {receiver: ops, routes: &r [{routes: *r}, {routes: *r}]}",
		"merges":      "route: &r {receiver: ops, <<: *r}",
		"many merges": "route: &r {receiver: ops, <<: [*r, *r, *r, *r]}",
		"bomb":        bomb + "route: {receiver: ops, group_by: *i}",
		"deep":        deep,
		"long":        "route: {receiver: " + strings.Repeat("x", 2<<20) + "}",
		"binary":      "\x00\xff\xfe",
		"tags":        "route: !!python/object {receiver: !!int ops}",
	} {
		cfg, problems := notify.Parse([]byte(text), "routes.yaml", []string{"ops"})
		if cfg == nil && len(problems) == 0 || len(problems) > 100 {
			t.Errorf("%s: %v, %d problems", name, cfg, len(problems))
		}
	}
}

// What Alertmanager merges and repeats is as it has it.
func TestAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, `
route:
  receiver: ops
  routes:
  - &first
    matchers: ['a = b', "c =~ x|y"]
    receiver: one
    group_by: &labels [x, y]
  - <<: *first
    receiver: two
    group_by: *labels
`)
	two := cfg.Route.Routes[1]
	if two.Receiver != "two" || len(two.Matchers) != 2 || two.Matchers[1].Value != "x|y" || !equal(two.GroupBy, []string{"x", "y"}) {
		t.Errorf("two %+v", two)
	}
}

// sections leaves out what stands elsewhere here: receivers and their settings.
func sections(text string) string {
	var out strings.Builder
	keep := true
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") {
			name = strings.Trim(name, `"`)
			keep = name == "route" || name == "inhibit_rules" || name == "time_intervals" || name == "mute_time_intervals"
		}
		if keep {
			out.WriteString(line)
		}
	}
	return out.String()
}

func corpus(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"testdata/alertmanager/*.yml", "testdata/kube-prometheus/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
	}
	return files
}

// Files of others load unchanged; those that Alertmanager refuses are refused.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for name, text := range corpus(t) {
		cfg, problems := notify.Parse([]byte(sections(text)), name, nil)
		if bad := strings.Contains(name, "nil-match_re") || strings.Contains(name, "match_re-inhibition"); bad != (cfg == nil) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func FuzzParse(f *testing.F) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full))
	f.Add(propertyConfig)
	f.Add("route: &r {receiver: ops, <<: *r}")
	f.Add(times("days_of_month: ['1:-1']"))
	f.Fuzz(func(t *testing.T, text string) {
		cfg, problems := notify.Parse([]byte(text), "routes.yaml", nil)
		if (cfg == nil) == (len(problems) == 0) {
			t.Fatalf("configuration %v, problems %v", cfg, problems)
		}
		if cfg == nil {
			return
		}
		p := notify.New(cfg, notify.Options{})
		p.Update([]alert.Alert{{Key: "k", Labels: labels("alertname=X,host_name=a"), State: alert.Firing, Fired: 1}}, nil)
		for _, at := range []time.Time{start, start.Add(time.Hour)} {
			if _, err := p.Plan(at); err != nil {
				t.Fatal(err)
			}
		}
		for name := range cfg.Calendars {
			p.Shifts(name, start, start.Add(48*time.Hour))
		}
	})
}
