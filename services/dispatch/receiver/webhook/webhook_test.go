package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func newReceiver(t *testing.T, url string, change func(*Config), named map[string]string) *Receiver {
	t.Helper()
	c := Config{URL: secret.Text(url)}
	c.SetDefaults()
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := New(c, receivertest.Client(t), named)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t *testing.T, url string) receivertest.Sender {
	t.Helper()
	return newReceiver(t, url, nil, nil)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, m := range receivertest.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := receivertest.NewSink(t)
			if err := open(t, sink.URL).Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
			receivertest.GoldenJSON(t, name+".json", sink.Bodies()...)
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	receivertest.RunHTTP(t, open)
}

// What Alertmanager's receivers read, strictly in what they need.
type alertmanager struct {
	Version         string         `json:"version"`
	GroupKey        string         `json:"groupKey"`
	TruncatedAlerts uint64         `json:"truncatedAlerts"`
	Status          string         `json:"status"`
	CommonLabels    model.LabelSet `json:"commonLabels"`
	GroupLabels     model.LabelSet `json:"groupLabels"`
	Alerts          []model.Alert  `json:"alerts"`
}

func TestAlertmanagersPayload(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t)
	if err := open(t, sink.URL).Send(context.Background(), receivertest.Several()); err != nil {
		t.Fatal(err)
	}
	var got alertmanager
	if err := json.Unmarshal(sink.Bodies()[0], &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "4" || got.Status != "firing" || got.TruncatedAlerts != 201 || len(got.Alerts) != 50 || got.GroupKey != "group-1" {
		t.Errorf("payload %+v", got)
	}
	if a := got.Alerts[0]; a.Labels["host_name"] != "web001" || !a.EndsAt.IsZero() || a.StartsAt.UnixMilli() != receivertest.Now-754_000 {
		t.Errorf("alert %+v", a)
	}
	if a := got.Alerts[49]; a.EndsAt.UnixMilli() != receivertest.Now {
		t.Errorf("resolved alert %+v", a)
	}
}

func TestHugePayloads(t *testing.T) {
	t.Parallel()
	m := receivertest.Hostile()
	for i := range 40 {
		m.Alerts[0].Annotations[strings.Repeat("a", i+1)] = m.Text
	}
	m.CommonAnnotations["description"] = m.Text
	for range 30 {
		m.Alerts = append(m.Alerts, m.Alerts[0])
	}
	m.Firing, m.ResolvedN = len(m.Alerts), 0
	p := NewPayload(m)
	b, err := json.Marshal(p)
	if err != nil || len(b) > maxBody {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if len(p.Alerts) == 0 || p.TruncatedAlerts+len(p.Alerts) != 80 || p.TruncatedAlerts == 0 {
		t.Errorf("%d alerts and %d left out", len(p.Alerts), p.TruncatedAlerts)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t)
	r := newReceiver(t, sink.URL, func(c *Config) {
		c.SigningKey, c.Username, c.Password = secret.Text("key"), "u", secret.Text("p")
		c.Headers = map[string]secret.Value{"x-team": secret.Text("ops")}
		c.Method = "PUT"
	}, nil)
	if err := r.Send(context.Background(), receivertest.Test()); err != nil {
		t.Fatal(err)
	}
	got := sink.Requests()[0]
	if want := Sign("key", receivertest.Now/1000, got.Body); got.Header.Get(SignatureHeader) != want || !strings.HasPrefix(want, "t=1770000000,v1=") {
		t.Errorf("signature %q, not %q", got.Header.Get(SignatureHeader), want)
	}
	if got.Method != "PUT" || got.Header.Get("X-Team") != "ops" || got.Header.Get("Authorization") != "Basic dTpw" {
		t.Errorf("request %s %v", got.Method, got.Header)
	}
	// By hand, so that a change of the form does not go unseen:
	// printf '5.{}' | openssl dgst -sha256 -hmac key
	if got := Sign("key", 5, []byte("{}")); got != "t=5,v1=9be615aec64f0d044b5ad6854ab1d893ec88617fb728d2149dcd3a3428e8c45d" {
		t.Error(got)
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	const text = `{"text": {{ template "title" . }}, "hosts": {{ .Esmon.Hosts | fold | json }}, "alerts": [
		{{- range $i, $a := .Alerts }}{{ if $i }},{{ end }}{{ printf "%s on %s: %s" $a.Labels.alertname $a.Labels.host_name (value $a.Value $a.Unit) | json }}{{ end }}]}`
	sink := receivertest.NewSink(t)
	r := newReceiver(t, sink.URL, func(c *Config) { c.Template = text }, map[string]string{"title": `{{ .Esmon.Title | toUpper | json }}`})
	for _, m := range []*alert.Message{receivertest.Firing(), receivertest.Hostile()} {
		if err := r.Send(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(sink.Bodies()[0]); got != `{"text": "DISKALMOSTFULL ON WEB001", "hosts": "web001", "alerts": ["DiskAlmostFull on web001: 93.25 %"]}` {
		t.Error(got)
	}
	if !json.Valid(sink.Bodies()[1]) {
		t.Error("hostile texts make bad JSON")
	}
}

func TestTemplatesThatGoAstray(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a loop without end":       `{{ range 9000000000000000000 }}{{ end }}`,
		"loops in loops":           `{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}`,
		"a template within itself": `{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}`,
		"too much output":          `{{ range 100000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}`,
		"a text that doubles":      `{{ $x := "xxxxxxxx" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}`,
		"printf that doubles":      `{{ $x := "xxxxxxxx" }}{{ range 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`,
		"replace that explodes":    `{{ $x := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }}{{ range 10 }}{{ $x = replace "a" $x $x }}{{ end }}`,
		"html that grows":          `{{ $x := "<<<<<<<<" }}{{ range 100 }}{{ $x = html $x }}{{ $x = print $x $x }}{{ end }}`,
		"a wide number":            `{{ range 100 }}{{ printf "%999999d" 1 }}{{ end }}`,
		"slices out of bounds":     `{{ index .Alerts 5000 }}`,
		"a call of nothing":        `{{ call .Nothing }}`,
		"bad JSON":                 `{"a": "{{ .Esmon.Text }}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := receivertest.NewSink(t)
			r := newReceiver(t, sink.URL, func(c *Config) { c.Template = text }, nil)
			e, ok := errors.AsType[*outbound.Error](r.Send(context.Background(), receivertest.Firing()))
			if !ok || !e.Permanent || len(sink.Requests()) > 0 {
				t.Errorf("error %v", e)
			}
		})
	}
}

func TestTemplatesThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{{", "{{ nope }}", "{{ template \"nope\" . }}", "{{ .Nope }}", "{{ .Esmon.Title }}"} {
		c := Config{URL: secret.Text("http://x"), Template: text}
		c.SetDefaults()
		if err := c.CheckTemplate(nil); err == nil || !strings.HasPrefix(err.Error(), "template: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t)
	t.Run("value", func(t *testing.T) {
		t.Parallel()
		c := Config{URL: secret.Text(sink.URL), Headers: map[string]secret.Value{"X-A": secret.Text("a\r\nX-B: b")}}
		c.SetDefaults()
		if err := c.Validate(); err == nil {
			t.Error("the header is taken")
		}
		r, err := New(c, receivertest.Client(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Send(context.Background(), receivertest.Test()); err == nil {
			t.Error("the header is sent")
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{{ range .Alerts }}{{ .Labels.x | json }}{{ end }}`)
	f.Add(`{{ range $i := 10 }}{{ if $i }}{{ break }}{{ else }}{{ continue }}{{ end }}{{ end }}`)
	f.Add(`{{ with .Esmon }}{{ .Title | cut 3 | line }}{{ else with .Alerts }}{{ . }}{{ end }}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseBody(text, nil)
		if err != nil {
			return
		}
		out, err := b.execute(NewPayload(receivertest.Firing()))
		if err == nil && len(out) > maxOutput {
			t.Errorf("%d bytes", len(out))
		}
	})
}
