package pagerduty

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func open(t *testing.T, url string) receivertest.Sender {
	t.Helper()
	return New(Config{URL: url, RoutingKey: secret.Text("R0UTING-KEY"), Severities: map[string]string{"disaster": "critical"}}, receivertest.Client(t))
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, m := range receivertest.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := receivertest.NewSink(t, receivertest.Answer{Status: 202})
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

func TestOneThreadIsOneIncident(t *testing.T) {
	t.Parallel()
	c := &Config{}
	acked := receivertest.Firing()
	acked.Alerts[0].Ack = &alert.Ack{Author: "ada"}
	escalated := receivertest.Firing()
	escalated.Kind, escalated.Alerts[0].Ack = alert.MessageEscalation, acked.Alerts[0].Ack
	for _, tt := range []struct {
		m      *alert.Message
		action string
	}{
		{receivertest.Firing(), "trigger"}, {receivertest.Resolved(), "resolve"}, {acked, "acknowledge"}, {escalated, "trigger"}, {receivertest.Several(), "trigger"},
	} {
		e := c.event(tt.m, "k")
		if e.Action != tt.action || e.DedupKey != "group-1" {
			t.Errorf("%s: action %s of %s, not %s", tt.m.ID, e.Action, e.DedupKey, tt.action)
		}
	}
	long := dedupKey(strings.Repeat("x", 300))
	if len(long) > 255 || long == dedupKey(strings.Repeat("x", 301)) || dedupKey("a\nb") == "a\nb" || dedupKey("") == "" {
		t.Errorf("key %q", long)
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	c := &Config{Severities: map[string]string{"disaster": "critical", "warning": "error"}}
	for in, want := range map[string]string{"critical": "critical", "error": "error", "warning": "error", "disaster": "critical", "page": "critical", "info": "info", "": "warning", "odd": "warning"} {
		if got := c.severity(&alert.Message{Severity: in}); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := &Config{}
	huge := receivertest.Storm(15_000)
	huge.Alerts = receivertest.Hostile().Alerts
	for _, m := range []*alert.Message{receivertest.Hostile(), huge, receivertest.Storm(10_000)} {
		e := c.event(m, "k")
		if n := len(encode(e)); n > MaxBytes {
			t.Errorf("%d bytes", n)
		}
		if utf8.RuneCountInString(e.Payload.Summary) > 1024 || len(e.Payload.Source) > 1024 || !json.Valid(encode(e)) {
			t.Errorf("event %+v", e.Payload)
		}
		if m.ID == "n-0006" && len(m.Hosts) == 10_000 {
			_, list, _ := strings.Cut(e.Payload.Details.Hosts, ": ")
			hosts, err := hostlist.Unfold(list, 20_000)
			if err != nil || len(hosts) != 10_000 {
				t.Errorf("%d hosts, %v", len(hosts), err)
			}
		}
	}
	if !strings.Contains(c.event(huge, "k").Payload.Details.Hosts, " more") {
		t.Error("hosts that are left out are not counted")
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{Status: 400, Body: `{"status":"invalid event","errors":["'routing_key' is invalid"]}`})
	err := open(t, sink.URL).Send(context.Background(), receivertest.Firing())
	if err == nil || !strings.Contains(err.Error(), "Events API v2 integration") {
		t.Error(err)
	}
}
