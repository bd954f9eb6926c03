package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 2, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "12": 12 * time.Second, " 3 ": 3 * time.Second, "1.5": 1500 * time.Millisecond, "soon": 0, "NaN": 0, "Inf": 24 * time.Hour, "1e300": 24 * time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Add(1000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour, now.Add(time.Hour).Format(time.RFC850): time.Hour,
	} {
		if got := outbound.RetryAfter(header, now); got != want {
			t.Errorf("%q is %v, not %v", header, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("12")
	f.Add("Mon, 02 Feb 2026 12:00:00 GMT")
	f.Fuzz(func(t *testing.T, header string) {
		if d := outbound.RetryAfter(header, time.UnixMilli(receivertest.Now)); d < 0 || d > 24*time.Hour {
			t.Errorf("%q is %v", header, d)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := receivertest.NewSink(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		sink := receivertest.NewSink(t, receivertest.Answer{Status: status, Header: map[string]string{"Location": other.URL + "/x"}})
		c := receivertest.Client(t)
		_, refusal, err := c.Do(context.Background(), outbound.Request{URL: sink.URL, Body: []byte("{}")})
		if err != nil || refusal == nil {
			t.Fatalf("%d: %v, %v", status, refusal, err)
		}
		e := c.Refused(refusal, "")
		if !e.Permanent || !strings.Contains(e.Error(), strings.TrimPrefix(other.URL, "http://")) {
			t.Errorf("%d: %v", status, e)
		}
	}
	if n := len(other.Requests()); n > 0 {
		t.Errorf("%d requests followed", n)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{Status: 200, Body: strings.Repeat("x", 10<<20)})
	answer, _, err := receivertest.Client(t).Do(context.Background(), outbound.Request{URL: sink.URL})
	if err != nil || len(answer.Body) != 64<<10 {
		t.Errorf("%v", err)
	}
	big := receivertest.NewSink(t, receivertest.Answer{Status: 200, Header: map[string]string{"X-Big": strings.Repeat("x", 200<<10)}})
	if _, _, err := receivertest.Client(t).Do(context.Background(), outbound.Request{URL: big.URL}); err == nil {
		t.Error("a header of 200 KiB was read")
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "x", "ftp://x/" + receivertest.Secret, "http://", "http://[" + receivertest.Secret, "http://x/\x00" + receivertest.Secret, "file:///etc/passwd"} {
		_, _, err := receivertest.Client(t).Do(context.Background(), outbound.Request{URL: u})
		e, ok := errors.AsType[*outbound.Error](err)
		if !ok || !e.Permanent || strings.Contains(e.Error(), receivertest.Secret) {
			t.Errorf("%q: %v", u, err)
		}
	}
}

func TestConfigurationThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []outbound.Config{
		{Proxy: secret.Text("://" + receivertest.Secret)}, {Proxy: secret.Text("ftp://x")}, {Proxy: secret.File("/does/not/exist")}, {CAFile: "/does/not/exist"}, {CAFile: "outbound_test.go"},
	} {
		if _, err := outbound.NewClient(c); err == nil || strings.Contains(err.Error(), receivertest.Secret) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	c, err := outbound.TLS("")
	if err != nil || c.MinVersion != 0x0303 {
		t.Errorf("TLS %x, %v", c.MinVersion, err)
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	s := outbound.NewSequence()
	var sent []string
	fail := 2
	send := func(_ context.Context, part int, key string) error {
		if part == fail {
			return errors.New("no")
		}
		sent = append(sent, fmt.Sprintf("%d:%s", part, key))
		return nil
	}
	ctx := context.Background()
	if err := s.Send(ctx, "a", 4, send); err == nil {
		t.Fatal("no error")
	}
	fail = -1
	if err := s.Send(ctx, "a", 4, send); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(sent, " "); got != "0:a 1:a-2 2:a-3 3:a-4" {
		t.Error(got)
	}
	sent = nil
	if err := s.Send(ctx, "a", 1, send); err != nil || len(sent) != 1 { // it is over: the next is another
		t.Error(sent, err)
	}
}

func TestSequenceForgets(t *testing.T) {
	t.Parallel()
	s := outbound.NewSequence()
	first := func(_ context.Context, part int, _ string) error {
		if part == 1 {
			return errors.New("no")
		}
		return nil
	}
	for i := range 5000 {
		_ = s.Send(context.Background(), fmt.Sprint(i), 2, first)
	}
	calls := 0
	count := func(context.Context, int, string) error { calls++; return nil }
	_ = s.Send(context.Background(), "0", 2, count)
	_ = s.Send(context.Background(), "4999", 2, count)
	if calls != 3 { // both of the one that was forgotten, one of the other
		t.Errorf("%d calls", calls)
	}
}

func TestRequestsAreNotRepeatedUnseen(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{Status: 200}, receivertest.Answer{Reset: true}, receivertest.Answer{Status: 200})
	c := receivertest.Client(t)
	for i := range 2 { // the second on the connection of the first, where net/http would try again
		_, _, err := c.Do(context.Background(), outbound.Request{URL: sink.URL, Body: []byte("{}"), Key: "k"})
		if (err == nil) != (i == 0) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if n := len(sink.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}
