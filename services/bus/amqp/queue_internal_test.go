package amqp

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

func TestDelayQueue(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]struct {
		queue string
		rest  time.Duration
	}{
		-time.Second:               {"alerts.dispatch", 0},
		0:                          {"alerts.dispatch", 0},
		time.Nanosecond:            {"alerts.dispatch.retry-1s", 0},
		time.Second:                {"alerts.dispatch.retry-1s", 0},
		time.Second + 1:            {"alerts.dispatch.retry-5s", 0},
		10 * time.Second:           {"alerts.dispatch.retry-15s", 0},
		time.Minute:                {"alerts.dispatch.retry-60s", 0},
		15 * time.Minute:           {"alerts.dispatch.retry-900s", 0},
		time.Hour:                  {"alerts.dispatch.retry-900s", 45 * time.Minute},
		200 * 365 * 24 * time.Hour: {"alerts.dispatch.retry-900s", maxRest - 15*time.Minute},
	} {
		if queue, rest := delayQueue(after); queue != want.queue || rest != want.rest {
			t.Errorf("%v: %s and %v, want %s and %v", after, queue, rest, want.queue, want.rest)
		}
	}
}

// delivered is what a broker makes of a message.
func delivered(p amqp.Publishing) *amqp.Delivery {
	return &amqp.Delivery{Headers: p.Headers, Type: p.Type, AppId: p.AppId, MessageId: p.MessageId, Body: p.Body}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	buried := time.UnixMilli(1_700_000_000_123)
	l := letter{Message: bus.Message{ID: "x", Body: []byte("b")}, tries: 7, rest: time.Hour, reason: "a\x00b\xff", buried: buried}
	d := delivered(l.publishing(3))
	d.Headers[headerRedelivered] = int64(2)
	got, ok := openLetter(d)
	if !ok || got.ID != "x" || string(got.Body) != "b" || got.tries != 9 || got.rest != time.Hour || got.reason != "a\uFFFDb\uFFFD" || !got.buried.Equal(buried) {
		t.Errorf("got %+v, %t", got, ok)
	}
	for name, change := range map[string]func(*amqp.Delivery){
		"another application":    func(d *amqp.Delivery) { d.AppId = "" },
		"another type":           func(d *amqp.Delivery) { d.Type = typeRecord },
		"no id":                  func(d *amqp.Delivery) { delete(d.Headers, headerID) },
		"an id that is a number": func(d *amqp.Delivery) { d.Headers[headerID] = int64(1) },
		"an id too long":         func(d *amqp.Delivery) { d.Headers[headerID] = strings.Repeat("i", bus.MaxID+1) },
		"no headers":             func(d *amqp.Delivery) { d.Headers = nil },
	} {
		d := delivered(l.publishing(3))
		change(d)
		if _, ok := openLetter(d); ok {
			t.Errorf("%s: it was taken for a message of the platform", name)
		}
	}
}

func FuzzOpenLetter(f *testing.F) {
	f.Add("id", int64(1), int64(2), int64(3), "reason", int64(4), []byte("body"))
	f.Add("", int64(-1), int64(1<<62), int64(-1<<63), "\x00\xff", int64(1<<62), []byte{0})
	f.Fuzz(func(t *testing.T, id string, tries, redelivered, rest int64, reason string, buried int64, body []byte) {
		d := &amqp.Delivery{AppId: application, Type: typeQueued, Body: body, Headers: amqp.Table{
			headerID: id, headerTries: tries, headerRedelivered: redelivered, headerRest: rest, headerReason: reason, headerBuried: buried,
		}}
		l, ok := openLetter(d)
		if ok != ((&bus.Message{ID: id, Body: body}).Check() == nil) {
			t.Errorf("id %q with %d bytes: %t", id, len(body), ok)
		}
		if l.tries < 0 || l.rest < 0 || l.rest > maxRest {
			t.Errorf("tries %d, rest %v", l.tries, l.rest)
		}
		again, ok := openLetter(delivered(l.publishing(1)))
		if ok && (again.ID != id || !bytes.Equal(again.Body, body) || again.rest != l.rest) {
			t.Errorf("%+v became %+v", l, again)
		}
		if r := cut(reason); !utf8.ValidString(r) || strings.ContainsRune(r, 0) || len(r) > bus.MaxReason {
			t.Errorf("reason %q", r)
		}
	})
}
