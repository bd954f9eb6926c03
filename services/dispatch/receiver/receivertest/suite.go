package receivertest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
)

// Secret stands in the URLs and credentials of the suite; it must not come out.
const Secret = "s3cr3t-t0ken"

// Clock is what the receivers of the suite take for the time.
func Clock() time.Time { return time.UnixMilli(Now) }

// Sender is a receiver.
type Sender interface {
	Send(ctx context.Context, m *alert.Message) error
}

// Client returns the HTTP client that the receivers of the suite use.
func Client(t *testing.T) *outbound.Client {
	t.Helper()
	c, err := outbound.NewClient(outbound.Config{Now: Clock})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict is what is expected of an answer.
type verdict struct {
	name      string
	answer    Answer
	taken     bool
	permanent bool
	after     time.Duration
	says      string
}

func verdicts() []verdict {
	date := Clock().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	return []verdict{
		{name: "200", answer: Answer{Status: 200, Body: "ok"}, taken: true},
		{name: "202", answer: Answer{Status: 202}, taken: true},
		{name: "400", answer: Answer{Status: 400, Body: "no such thing"}, permanent: true, says: "no such thing"},
		{name: "401", answer: Answer{Status: 401}, permanent: true},
		{name: "404", answer: Answer{Status: 404}, permanent: true},
		{name: "410", answer: Answer{Status: 410}, permanent: true},
		{name: "413", answer: Answer{Status: 413}, permanent: true, says: "too large"},
		{name: "408", answer: Answer{Status: 408}},
		{name: "425", answer: Answer{Status: 425}},
		{name: "429", answer: Answer{Status: 429}},
		{name: "429 with seconds", answer: Answer{Status: 429, Header: map[string]string{"Retry-After": "17"}}, after: 17 * time.Second},
		{name: "429 with a date", answer: Answer{Status: 429, Header: map[string]string{"Retry-After": date}}, after: 90 * time.Second},
		{name: "429 with nonsense", answer: Answer{Status: 429, Header: map[string]string{"Retry-After": "soon"}}},
		{name: "503 for too long", answer: Answer{Status: 503, Header: map[string]string{"Retry-After": "99999999999"}}, after: 24 * time.Hour},
		{name: "500", answer: Answer{Status: 500, Body: strings.Repeat("<b>oops\x1b</b>", 20_000)}, says: "oops"},
		{name: "a redirect", answer: Answer{Status: 307, Header: map[string]string{"Location": "http://127.0.0.1:1/" + Secret}}, permanent: true, says: "redirect"},
		{name: "a reset", answer: Answer{Reset: true}},
	}
}

// RunHTTP proves that a receiver over HTTP judges answers as HTTP asks, ends in time,
// sends the idempotency key and keeps its secrets. The receiver that open returns posts
// the message [Firing] in one request to the URL, which has [Secret] in it.
func RunHTTP(t *testing.T, open func(t *testing.T, url string) Sender) {
	for _, v := range verdicts() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			sink := NewSink(t, v.answer)
			err := open(t, sink.URL+"/"+Secret+"?sig="+Secret).Send(context.Background(), Firing())
			if v.taken {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			v.check(t, err)
		})
	}
	t.Run("idempotency key", func(t *testing.T) {
		t.Parallel()
		sink := NewSink(t)
		if err := open(t, sink.URL+"/"+Secret).Send(context.Background(), Firing()); err != nil {
			t.Fatal(err)
		}
		requests := sink.Requests()
		if len(requests) != 1 || requests[0].Header.Get("Idempotency-Key") != "n-0001" || requests[0].Header.Get("User-Agent") != "esmon" {
			t.Errorf("requests %+v", requests)
		}
	})
	t.Run("no answer in time", func(t *testing.T) {
		t.Parallel()
		sink := NewSink(t, Answer{})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		err := open(t, sink.URL+"/"+Secret).Send(ctx, Firing())
		verdict{says: "did not answer in time"}.check(t, err)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		sink := NewSink(t, Answer{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := open(t, sink.URL+"/"+Secret).Send(ctx, Firing()); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		sink := NewSink(t)
		sink.Close()
		verdict{says: "refused"}.check(t, open(t, sink.URL+"/"+Secret).Send(context.Background(), Firing()))
	})
}

func (v verdict) check(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*outbound.Error](err)
	if !ok {
		t.Fatalf("error %#v is no *Error", err)
	}
	if e.Permanent != v.permanent || e.RetryAfter != v.after {
		t.Errorf("permanent %v, retry after %v: %v", e.Permanent, e.RetryAfter, e)
	}
	text := err.Error()
	if !strings.Contains(text, v.says) || len(text) > 2000 || strings.ContainsRune(text, 0x1b) {
		t.Errorf("error %q does not say %q", text, v.says)
	}
	if strings.Contains(text, Secret) {
		t.Errorf("error %q has a secret", text)
	}
}
