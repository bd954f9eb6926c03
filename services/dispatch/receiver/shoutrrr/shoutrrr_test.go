package shoutrrr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func ntfy(url string) *Receiver {
	return New(Config{URL: secret.Text("ntfy://user:" + receivertest.Secret + "@" + strings.TrimPrefix(url, "http://") + "/topic?scheme=http")})
}

func TestServices(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, path string }{
		{"ntfy", "ntfy://HOST/topic?scheme=http", "/topic"},
		{"gotify", "gotify://HOST/AAaaAAaaAAaaAAa?disabletls=yes", "/message"},
		{"mattermost", "mattermost://HOST/token?disabletls=yes", "/hooks/token"},
		{"generic", "generic://HOST/hook?disabletls=yes&template=json", "/hook"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sink := receivertest.NewSink(t, receivertest.Answer{Status: 200, Body: "{}"})
			c := Config{URL: secret.Text(strings.Replace(tt.url, "HOST", strings.TrimPrefix(sink.URL, "http://"), 1))}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			if err := New(c).Send(context.Background(), receivertest.Several()); err != nil {
				t.Fatal(err)
			}
			got := sink.Requests()
			if len(got) != 1 || got[0].Path != tt.path || !strings.Contains(string(got[0].Body), "web[001-250]") {
				t.Errorf("requests %+v", got)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer    receivertest.Answer
		permanent bool
	}{
		{receivertest.Answer{Status: 400, Body: `{"code":40001,"error":"bad"}`}, true}, {receivertest.Answer{Status: 403, Body: `{"code":40301,"error":"no"}`}, true},
		{receivertest.Answer{Status: 429, Body: "{}"}, false}, {receivertest.Answer{Status: 500, Body: "{}"}, false}, {receivertest.Answer{Reset: true}, false},
	} {
		sink := receivertest.NewSink(t, tt.answer)
		e, ok := errors.AsType[*outbound.Error](ntfy(sink.URL).Send(context.Background(), receivertest.Firing()))
		if !ok || e.Permanent != tt.permanent || strings.Contains(e.Error(), receivertest.Secret) {
			t.Errorf("%+v: %v", tt.answer, e)
		}
	}
}

func TestStatusInTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"unexpected response status code: 404": 404, "got HTTP 401": 401, "failed: 403 Forbidden": 403, "bad (40001)": 400, "(42901)": 429,
		"call 10.0.0.1:443: refused": 0, "444 hosts": 0, "status code 500": 0, "": 0,
	} {
		if got := statusOf(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestItEndsInTime(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{})
	t.Cleanup(sink.CloseClientConnections)
	r := ntfy(sink.URL)
	for i := range maxFlying + 1 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		e, ok := errors.AsType[*outbound.Error](r.Send(ctx, receivertest.Firing()))
		cancel()
		says := "did not answer in time"
		if i == maxFlying {
			says = "still hang"
		}
		if !ok || e.Permanent || !strings.Contains(e.Error(), says) {
			t.Errorf("error %v", e)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ntfy(sink.URL).Send(ctx, receivertest.Firing()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"ntfy://ntfy.sh/topic": "", "discord://token@id": "", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@channel": "",
		"matrix://user:" + receivertest.Secret + "@does-not-exist.invalid/?rooms=a": "", // not called
		"": "missing", "logger://": "tells nobody", "nope://" + receivertest.Secret: "no service", "https://" + receivertest.Secret: "no service",
		"discord://" + receivertest.Secret: "not complete", "::" + receivertest.Secret: "no URL", "telegram://" + receivertest.Secret + "@telegram": "not complete",
	} {
		c := Config{URL: secret.Text(url)}
		err := c.Validate()
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), receivertest.Secret)) {
			t.Errorf("%q: %v", url, err)
		}
	}
	c := Config{URL: secret.Text("discord://" + receivertest.Secret + "@1")}
	if got := c.Target(); got != "discord://***" {
		t.Error(got)
	}
}

func TestTextKeepsItsLimit(t *testing.T) {
	t.Parallel()
	for _, m := range []*alert.Message{receivertest.Hostile(), receivertest.Storm(10_000), receivertest.Several()} {
		for _, limit := range []int{1000, 1900, 3500} {
			got := text(m, limit)
			if len(got) > limit || !utf8.ValidString(got) || len(m.Hosts) > 9000 && !strings.Contains(got, " more") {
				t.Errorf("%s: %d bytes of %d:\n%s", m.ID, len(got), limit, got)
			}
		}
	}
}

func FuzzDefuse(f *testing.F) {
	for _, s := range receivertest.Nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := defuse(s)
		for _, bad := range []string{"](", "<@", "<!", "<s", "</", "@everyone", "@here"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q has %q", got, bad)
			}
		}
	})
}
