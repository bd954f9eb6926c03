package alertmanager_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
)

// route is a route as Alertmanager's configuration has it.
type route struct {
	Receiver       string   `yaml:"receiver"`
	GroupBy        []string `yaml:"group_by"`
	Matchers       []string `yaml:"matchers"`
	Continue       bool     `yaml:"continue"`
	GroupWait      string   `yaml:"group_wait"`
	GroupInterval  string   `yaml:"group_interval"`
	RepeatInterval string   `yaml:"repeat_interval"`
	Routes         []route  `yaml:"routes"`
}

// configOf returns the configuration that the status shows; it must be YAML of
// Alertmanager's form without anything else.
func (r *rig) configOf() (out struct {
	Route     route `yaml:"route"`
	Receivers []struct {
		Name string `yaml:"name"`
	} `yaml:"receivers"`
},
) {
	r.t.Helper()
	status := r.get("/api/v2/status").(map[string]any)             //nolint:forcetypeassert // a test fails by it
	text := status["config"].(map[string]any)["original"].(string) //nolint:forcetypeassert // as above
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil {
		r.t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func TestStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.get("/api/v2/status").(map[string]any) //nolint:forcetypeassert // a test fails by it
	if _, err := time.Parse(time.RFC3339, got["uptime"].(string)); err != nil {
		t.Error(err)
	}
	delete(got, "uptime")
	delete(got, "config")
	wantJSON(t, "status", got, `{"cluster": {"status": "disabled", "peers": []}, "versionInfo": {
		"version": "0.27.0", "revision": "1.2.3", "branch": "esmon", "buildUser": "", "buildDate": "", "goVersion": "`+runtime.Version()+`"}}`)
	if c := r.configOf(); c.Route.Receiver != "esmon" || len(c.Receivers) != 1 || c.Receivers[0].Name != "esmon" {
		t.Errorf("without routes: %+v", c)
	}
}

// Names and matchers come back as they are, whatever they contain.
func TestStatusConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := []string{"ops", `a "b" 'c' \d`, "x: [y]\n- z", "ü\u2028\x01\x7f😀", "#", "yes", "1", "*a", "&a !b"}
	matchers := []string{`a="it's \"so\""`, `b=~"x\\d|y"`, `c!=""`, "d=\"`\\n\"", `e="ü, x]"`}
	r.platform.receivers = names
	r.platform.route = &alertv1.Route{
		Receiver: "ops", GroupBy: []string{"alertname", "team"}, GroupWait: durationpb.New(10 * time.Second), GroupInterval: durationpb.New(90 * time.Second), RepeatInterval: durationpb.New(4 * time.Hour),
		Routes: []*alertv1.Route{
			{Matchers: matchers, GroupBy: []string{"..."}, Continue: true, Escalation: "late"},
			{Receiver: names[2], Routes: []*alertv1.Route{{Receiver: names[3]}, {Receiver: names[1], Matchers: matchers[:1]}}},
			{Receiver: "gone"},
		},
	}
	c := r.configOf()
	var got []string
	for _, x := range c.Receivers {
		got = append(got, x.Name)
	}
	if strings.Join(got, "\x00") != strings.Join(append(names, "esmon"), "\x00") {
		t.Errorf("receivers %q", got)
	}
	root := c.Route
	if root.Receiver != "ops" || strings.Join(root.GroupBy, " ") != "alertname team" || root.GroupWait != "10000ms" || root.GroupInterval != "90000ms" || root.RepeatInterval != "14400000ms" || len(root.Routes) != 3 {
		t.Fatalf("root %+v", root)
	}
	if x := root.Routes[0]; x.Receiver != "esmon" || strings.Join(x.Matchers, "\x00") != strings.Join(matchers, "\x00") || !x.Continue || x.GroupBy[0] != "..." {
		t.Errorf("first %+v", x)
	}
	x := root.Routes[1]
	if x.Receiver != names[2] || len(x.Routes) != 2 || x.Routes[0].Receiver != names[3] || x.Routes[1].Receiver != names[1] || x.Routes[1].Matchers[0] != matchers[0] {
		t.Errorf("second %+v", x)
	}
	if root.Routes[2].Receiver != "esmon" {
		t.Errorf("a receiver that is not there: %+v", root.Routes[2])
	}
	wantJSON(t, "receivers", r.get("/api/v2/receivers").([]any)[0], `{"name": "ops"}`) //nolint:forcetypeassert // a test fails by it
	// One that is called as the stand-in is not there twice.
	r.platform.receivers = []string{"esmon"}
	if c = r.configOf(); len(c.Receivers) != 1 {
		t.Errorf("%+v", c.Receivers)
	}
	r.platform.receivers = nil
	wantJSON(t, "no receivers", r.get("/api/v2/receivers"), `[]`)
}

func FuzzStatusConfig(f *testing.F) {
	f.Add("ops", "b")
	f.Add("a\n  b: c\u0085", "'\"`\\\u2028\ufeff")
	f.Fuzz(func(t *testing.T, receiver, value string) {
		receiver, value = strings.ToValidUTF8(receiver, ""), strings.ToValidUTF8(value, "")
		if receiver == "" || receiver == "esmon" {
			return
		}
		m, err := alert.NewMatcher("a", alert.MatchEqual, value)
		if err != nil {
			return
		}
		r := newRig(t)
		r.platform.receivers = []string{receiver}
		r.platform.route = &alertv1.Route{Receiver: receiver, Routes: []*alertv1.Route{{Receiver: receiver, Matchers: []string{m.String()}, GroupBy: []string{"g"}}}}
		c := r.configOf()
		if c.Route.Receiver != receiver || c.Receivers[0].Name != receiver || c.Route.Routes[0].Matchers[0] != m.String() {
			t.Errorf("%q %q: %+v", receiver, value, c)
		}
	})
}
