package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

const password = "hunter2-hunter2"

// all has one receiver of each kind, with a secret in each place that may have one.
const all = `
receivers:
  - name: teams
    teams: {url: https://prod.logic.azure.com/workflows/` + password + `?sig=` + password + `}
    rate: 10/30s
  - name: mail
    email:
      to: [ops@example.com]
      from: esmon <esmon@example.com>
      host: smtp.example.com
      username: esmon
      password: ` + password + `
    send_resolved: false
  - name: slack
    slack: {url: "https://hooks.slack.com/services/T000/B000/` + password + `", channel: "#ops"}
    proxy: http://user:` + password + `@proxy.example.com:3128
  - name: pager
    pagerduty: {routing_key: ` + password + `, severities: {disaster: critical}}
    timeout: 3s
  - name: snow
    servicenow:
      url: https://example.service-now.com
      oauth: {client_id: esmon, client_secret: ` + password + `}
      fields: {assignment_group: Ops}
  - name: hook
    webhook:
      url: https://hooks.example.com/` + password + `
      headers: {X-Token: ` + password + `}
      signing_key: ` + password + `
      template: '{"status": {{ .Status | json }}, "title": {{ .Esmon.Title | json }}}'
    rate: none
  - name: phone
    shoutrrr: {url: "ntfy://user:` + password + `@ntfy.example.com/topic"}
`

func parseAll(t *testing.T) *Config {
	t.Helper()
	c, problems := Parse("receivers.yaml", []byte(all), Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return c
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestParse(t *testing.T) {
	t.Parallel()
	c := parseAll(t)
	set, err := New(c, Deps{}, discard())
	if err != nil {
		t.Fatal(err)
	}
	want := `hook webhook https://hooks.example.com/*** true 10s none
mail email ops@example.com by smtp.example.com false 30s 60/1m0s
pager pagerduty https://events.pagerduty.com/*** true 3s 120/1m0s
phone shoutrrr ntfy://*** true 10s 30/1m0s
slack slack https://hooks.slack.com/*** #ops true 30s 60/1m0s
snow servicenow https://example.service-now.com incident true 30s 120/1m0s
teams teams https://prod.logic.azure.com/*** true 30s 10/30s
`
	var got strings.Builder
	for _, i := range set.List() {
		fmt.Fprintln(&got, i.Name, i.Kind, i.Target, i.SendResolved, i.Timeout, i.Rate)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	if names := c.Names(); len(names) != 7 || names[0] != "teams" {
		t.Errorf("names %v", names)
	}
	if _, ok := set.Get("nobody"); ok {
		t.Error("a receiver that is not there")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c := parseAll(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&out, verb, *c)
		for _, r := range c.Receivers {
			fmt.Fprintf(&out, verb, r)
			fmt.Fprintf(&out, verb, r.Webhook)
			if r.Webhook != nil {
				fmt.Fprintf(&out, verb, *r.Webhook)
			}
			if r.Email != nil {
				fmt.Fprintf(&out, verb, *r.Email)
			}
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "url", c.Receivers[0].Teams.URL)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "url", c.Receivers[0].Teams.URL)
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret is printed: %s", out.String())
	}
	if !strings.Contains(out.String(), "***") {
		t.Error("secrets do not show as ***")
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, yaml, want string }{
		{"unknown field", "receivers:\n  - name: a\n    teams: {url: 'https://x/y'}\n    sendresolved: true\n", "r.yaml:4:5: receivers[0].sendresolved: there is no such field"},
		{"no kind", "receivers:\n  - name: a\n", "r.yaml:2:5: receivers[0]: 0 kinds are set"},
		{"two kinds", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n    slack: {url: 'https://x'}\n", "2 kinds are set"},
		{"no name", "receivers:\n  - teams: {url: 'https://x'}\n", "receivers[0].name: it is missing"},
		{"name twice", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n  - name: a\n    teams: {url: 'https://x'}\n", "r.yaml:4:5: receivers[1].name: receivers[0] has the name"},
		{"name with control characters", "receivers:\n  - name: \"a\\nb\"\n    teams: {url: 'https://x'}\n", "is no name"},
		{"no url", "receivers:\n  - name: a\n    teams: {}\n", "r.yaml:3:5: receivers[0].teams.url: it is missing"},
		{"connector", "receivers:\n  - name: a\n    teams:\n      url: https://x.webhook.office.com/y\n", "r.yaml:4:7: receivers[0].teams.url: it is of an Office 365 connector"},
		{"secret of two places", "receivers:\n  - name: a\n    teams:\n      url: {file: /x, env: Y}\n", "{file: PATH} or {env: NAME}"},
		{"secret of another place", "receivers:\n  - name: a\n    teams:\n      url: {vault: x}\n", "receivers[0].teams.url.vault: there is no such field"},
		{"list for a secret", "receivers:\n  - name: a\n    teams:\n      url: [x]\n", "receivers[0].teams.url"},
		{"timeout", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n    timeout: 1h\n", "r.yaml:4:5: receivers[0].timeout: must be from"},
		{"no duration", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n    timeout: soon\n", "is no duration"},
		{"rate", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n    rate: often\n", "r.yaml:4:11: receivers[0].rate: \"often\" is no rate"},
		{"proxy", "receivers:\n  - name: a\n    teams: {url: 'https://x'}\n    proxy: ftp://x\n", "receivers[0].proxy: it must be a URL"},
		{"shoutrrr with a proxy", "receivers:\n  - name: a\n    shoutrrr: {url: 'ntfy://ntfy.sh/x'}\n    proxy: http://x:1\n", "do not count for shoutrrr"},
		{"shoutrrr without a service", "receivers:\n  - name: a\n    shoutrrr: {url: 'carrier-pigeon://x'}\n", "there is no service \"carrier-pigeon\""},
		{"mail", "receivers:\n  - name: a\n    email: {to: [nobody], from: x, host: 'h:99999', tls: maybe, auth: plain}\n", "receivers[0].email.to[0]: \"nobody\" is no address"},
		{"mail in clear", "receivers:\n  - name: a\n    email: {to: [a@b.c], from: a@b.c, host: h, tls: none, username: x, password: y}\n", "in clear"},
		{"pagerduty", "receivers:\n  - name: a\n    pagerduty: {severities: {a: b}}\n", "receivers[0].pagerduty.severities.a: \"b\" is none of"},
		{"servicenow", "receivers:\n  - name: a\n    servicenow: {url: x, table: 'a;b', fields: {state: 1}}\n", "receivers[0].servicenow.fields: state is set by the platform"},
		{"webhook", "receivers:\n  - name: a\n    webhook: {url: 'https://x', method: GET, headers: {Host: x}}\n", "receivers[0].webhook.method: \"GET\" is neither"},
		{"template", "receivers:\n  - name: a\n    webhook: {url: 'https://x', template: '{{ .Nope }}'}\n", "receivers[0].webhook.template: execute"},
		{"template that is no JSON", "receivers:\n  - name: a\n    webhook: {url: 'https://x', template: '{\"t\": \"{{ .Esmon.Title }}\"}'}\n", "does not give valid JSON"},
		{"not YAML", "receivers: [", "r.yaml:1:"},
		{"key twice", "receivers:\n  - name: a\n    name: b\n", "r.yaml:3:5: not valid YAML"},
		{"a list", "- a\n", "`name: value` lines are expected"},
		{"two documents", "receivers: []\n---\nreceivers: []\n", "a second YAML document"},
		{"anchors", "receivers:\n  - name: &a x\n    teams: {url: *a}\n", "anchors"},
		{"deep", strings.Repeat("[", 100_000), "deep in each other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("r.yaml", []byte(tt.yaml), Options{})
			var text []string
			for _, p := range problems {
				text = append(text, p.Error())
			}
			if !strings.Contains(strings.Join(text, "\n"), tt.want) {
				t.Errorf("problems:\n%s\nwant %q", strings.Join(text, "\n"), tt.want)
			}
		})
	}
}

func TestNothingIsFine(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "# nobody yet\n", "receivers:\n", "receivers: []\n", "---\n"} {
		c, problems := Parse("r.yaml", []byte(content), Options{})
		if len(problems) > 0 || len(c.Receivers) > 0 {
			t.Errorf("%q: %v", content, problems)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(all))
	f.Add([]byte("receivers:\n  - name: a\n    webhook: {url: {env: X}, template: '{{ range .Alerts }}{{ . }}{{ end }}'}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, problems := Parse("r.yaml", content, Options{})
		if len(problems) > 0 {
			return
		}
		set, _ := New(c, Deps{}, discard())
		if len(set.List()) != len(c.Receivers) {
			t.Errorf("%d receivers of %d", len(set.List()), len(c.Receivers))
		}
	})
}

func hook(t *testing.T, yaml string, deps Deps) (*Set, error) {
	t.Helper()
	c, problems := Parse("r.yaml", []byte("receivers:\n  - name: hook\n    webhook:\n"+yaml), Options{Dir: t.TempDir()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return New(c, deps, discard())
}

func send(t *testing.T, s *Set, m *alert.Message) error {
	t.Helper()
	r, ok := s.Get("hook")
	if !ok {
		t.Fatal("there is no receiver")
	}
	return r.Send(context.Background(), m)
}

func TestSecretsFromFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := receivertest.NewSink(t), receivertest.NewSink(t)
	file := filepath.Join(dir, "url")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := Parse("r.yaml", []byte("receivers:\n  - name: hook\n    webhook: {url: {file: url}}\n"), Options{Dir: dir})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, err := New(c, Deps{}, discard())
	if err == nil || !strings.Contains(err.Error(), "receiver hook: the file "+file+" does not exist") {
		t.Fatalf("error %v", err)
	}
	e, ok := errors.AsType[*Error](send(t, set, receivertest.Firing()))
	if !ok || e.Permanent {
		t.Fatalf("without a file: %v", e)
	}
	for i, sink := range []*receivertest.Sink{first, second} {
		write(sink.URL)
		if err := send(t, set, receivertest.Firing()); err != nil {
			t.Fatal(err)
		}
		if n := len(sink.Requests()); n != 1 {
			t.Errorf("sink %d got %d messages", i, n)
		}
	}
}

func TestSecretFromTheEnvironment(t *testing.T) {
	sink := receivertest.NewSink(t)
	t.Setenv("ESMON_TEST_HOOK", sink.URL)
	set, err := hook(t, "      url: {env: ESMON_TEST_HOOK}\n", Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t, set, receivertest.Firing()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ESMON_TEST_HOOK", "")
	if err := send(t, set, receivertest.Firing()); err == nil || !strings.Contains(err.Error(), "ESMON_TEST_HOOK is not set") {
		t.Errorf("error %v", err)
	}
}

func TestErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	echo := receivertest.Answer{Status: 400, Body: "no such token " + password + " at /hooks/" + password + "?sig=" + password}
	sink := receivertest.NewSink(t, echo)
	set, err := hook(t, "      url: "+sink.URL+"/hooks/"+password+"?sig="+password+"\n      token: "+password+"\n", Deps{})
	if err != nil {
		t.Fatal(err)
	}
	err = send(t, set, receivertest.Firing())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "no such token ***") || !strings.Contains(err.Error(), "/hooks/") {
		t.Errorf("error %v", err)
	}
	sink.Close()
	if err := send(t, set, receivertest.Firing()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestSendResolved(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{false, true} {
		sink := receivertest.NewSink(t)
		c, problems := Parse("r.yaml", fmt.Appendf(nil, "receivers:\n  - name: hook\n    webhook: {url: '%s'}\n    send_resolved: %v\n", sink.URL, wanted), Options{})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		set, err := New(c, Deps{}, discard())
		if err != nil {
			t.Fatal(err)
		}
		test := receivertest.Test()
		test.Status = alert.Resolved
		for _, m := range []*alert.Message{receivertest.Resolved(), receivertest.Firing(), test} {
			if err := send(t, set, m); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(sink.Requests()); n != map[bool]int{false: 2, true: 3}[wanted] {
			t.Errorf("send_resolved %v: %d messages", wanted, n)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{})
	c, problems := Parse("r.yaml", []byte("receivers:\n  - name: hook\n    webhook: {url: '"+sink.URL+"'}\n    timeout: 100ms\n"), Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, err := New(c, Deps{}, discard())
	if err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[*Error](send(t, set, receivertest.Firing()))
	if !ok || e.Permanent || !strings.Contains(e.Error(), "did not answer in time") {
		t.Errorf("error %v", e)
	}
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewTLSSink(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sink.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, ok := range map[string]bool{ca: true, "": false} {
		c := &Config{Receivers: parseHook(t, sink.URL)}
		c.Receivers[0].CAFile = file
		set, err := New(c, Deps{}, discard())
		if err != nil {
			t.Fatal(err)
		}
		if err := send(t, set, receivertest.Firing()); (err == nil) != ok {
			t.Errorf("with the CA file %q: %v", file, err)
		}
	}
}

func parseHook(t *testing.T, url string) []Definition {
	t.Helper()
	c, problems := Parse("r.yaml", []byte("receivers:\n  - name: hook\n    webhook: {url: '"+url+"'}\n"), Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return c.Receivers
}

func TestWhatIsBrokenFailsAlone(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t)
	c := &Config{Receivers: append(parseHook(t, sink.URL), parseHook(t, sink.URL)...)}
	c.Receivers[1].Name, c.Receivers[1].CAFile = "other", "/does/not/exist.pem"
	set, err := New(c, Deps{}, discard())
	if err == nil || !strings.Contains(err.Error(), "receiver other: ca_file") {
		t.Errorf("error %v", err)
	}
	if err := send(t, set, receivertest.Firing()); err != nil {
		t.Error(err)
	}
	other, _ := set.Get("other")
	if e, ok := errors.AsType[*Error](other.Send(context.Background(), receivertest.Firing())); !ok || e.Permanent {
		t.Errorf("error %v", e)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	proxy := receivertest.NewSink(t)
	c := &Config{Receivers: parseHook(t, "http://nowhere.invalid/x")}
	c.Receivers[0].Proxy = secret.Text(strings.Replace(proxy.URL, "http://", "http://user:"+password+"@", 1))
	set, err := New(c, Deps{}, discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t, set, receivertest.Firing()); err != nil {
		t.Fatal(err)
	}
	got := proxy.Requests()
	if len(got) != 1 || !strings.HasPrefix(got[0].Header.Get("Proxy-Authorization"), "Basic ") {
		t.Errorf("requests %+v", got)
	}
}

type panics struct{}

func (panics) Send(context.Context, *alert.Message) error { panic(password) }

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	g := &guard{definition: parseHook(t, "http://x")[0], receiver: panics{}}
	e, ok := errors.AsType[*Error](g.Send(context.Background(), receivertest.Firing()))
	if !ok || !e.Permanent || strings.Contains(e.Error(), "hunter2") {
		t.Errorf("error %v", e)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	g := &guard{definition: parseHook(t, "http://x")[0], receiver: broken{http.ErrServerClosed}}
	if err := g.Send(ctx, receivertest.Firing()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
