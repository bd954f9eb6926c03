package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver"
)

// Reasons for which an attempt failed.
const (
	reasonRefused    = "refused"     // the receiver will never take it
	reasonThrottled  = "throttled"   // it asked for time
	reasonTimeout    = "timeout"     // it gave no answer in time
	reasonFailed     = "failed"      // everything else
	reasonNoReceiver = "no_receiver" // there is none of that name
	reasonUnreadable = "unreadable"  // the notification itself is broken
	reasonStopped    = "stopped"     // the process ended meanwhile
)

// maxText is how long a text about an attempt may be.
const maxText = 1000

// outcome is what came of an attempt.
type outcome struct {
	attempt alert.Attempt
	kind    string // of the receiver
	state   alert.NotificationState
	reason  string        // why it failed; empty if it did not
	delay   time.Duration // until the next attempt
	asked   time.Duration // how long the receiver asked to be left alone
}

// attempt sends a notification.
func (d *Dispatch) attempt(ctx context.Context, n *alert.Notification, t *Target, timeout time.Duration) outcome {
	var m alert.Message
	if err := json.Unmarshal(n.Payload, &m); err != nil {
		o := outcome{kind: t.Kind, attempt: alert.Attempt{Time: d.deps.Now().UnixMilli(), Message: text(fmt.Errorf("the notification cannot be read: %w", err))}}
		o.reason, o.state = reasonUnreadable, alert.Dead
		return o
	}
	m.ID, m.Receiver = n.ID, n.Receiver
	a, err := d.send(ctx, t, &m, timeout)
	return d.judge(ctx, n, t.Kind, a, err)
}

// send sends a message and times it.
func (d *Dispatch) send(ctx context.Context, t *Target, m *alert.Message, timeout time.Duration) (alert.Attempt, error) {
	began := d.deps.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := sendSafely(ctx, t.Receiver, m)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	took := d.deps.Now().Sub(began)
	d.metrics.send.WithLabelValues(t.Kind).Observe(took.Seconds())
	a := alert.Attempt{Time: began.UnixMilli(), Duration: took.Milliseconds(), Delivered: err == nil}
	if err != nil {
		a.Message = text(err)
	}
	return a, err
}

// sendSafely makes an error of a receiver's panic: one message must not end the process,
// and again after each start.
func sendSafely(ctx context.Context, s Sender, m *alert.Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a fault in the receiver's code: %v", r)
		}
	}()
	return s.Send(ctx, m) //nolint:wrapcheck // the receiver says what was attempted
}

// missing is the outcome for a receiver that is not there. It may come back: the
// configuration is reloaded.
func (d *Dispatch) missing(n *alert.Notification) outcome {
	err := fmt.Errorf("there is no receiver %q: add it to the receivers, or take it out of the routes", n.Receiver)
	o := outcome{reason: reasonNoReceiver, attempt: alert.Attempt{Time: d.deps.Now().UnixMilli(), Message: text(err)}}
	d.again(n, &o)
	return o
}

// judge says what an attempt's end means.
func (d *Dispatch) judge(ctx context.Context, n *alert.Notification, kind string, a alert.Attempt, err error) outcome {
	o := outcome{attempt: a, kind: kind, state: alert.Delivered}
	e, _ := errors.AsType[*receiver.Error](err)
	switch {
	case err == nil:
		return o
	case ctx.Err() != nil:
		o.reason, o.state = reasonStopped, alert.Waiting
		return o
	case e != nil && e.Permanent:
		o.reason, o.state = reasonRefused, alert.Dead
		return o
	case e != nil && (e.RetryAfter > 0 || strings.HasPrefix(e.Status, "429")):
		o.reason, o.asked = reasonThrottled, max(e.RetryAfter, time.Second)
	case errors.Is(err, context.DeadlineExceeded):
		o.reason = reasonTimeout
	default:
		o.reason = reasonFailed
	}
	d.again(n, &o)
	return o
}

// again has the notification tried again, unless it is too old.
func (d *Dispatch) again(n *alert.Notification, o *outcome) {
	age := d.deps.Now().Sub(time.UnixMilli(n.Created))
	if age >= d.cfg.MaxAge {
		o.state = alert.Dead
		o.attempt.Message = cut(fmt.Sprintf("given up after %v: %s", age.Round(time.Minute), o.attempt.Message))
		return
	}
	o.state = alert.Waiting
	o.delay = max(d.backoff(n.Tries), min(o.asked, maxHeld))
}

// backoff returns how long to wait after a failure, with so many attempts before it: a
// random part of a time that doubles.
func (d *Dispatch) backoff(before int) time.Duration {
	limit := d.cfg.MaxBackoff
	if before < 30 {
		limit = min(d.cfg.MinBackoff<<max(before, 0), limit)
	}
	return max(rand.N(limit)+1, min(limit, time.Second))
}

// release gives a pass back, with what was found out about the receiver.
func (d *Dispatch) release(p *pass, o *outcome) {
	now := d.deps.Now()
	switch {
	case p == nil:
	case o.reason == "" || o.reason == reasonRefused:
		p.answered()
	case o.reason == reasonThrottled:
		p.asked(now, o.asked, o.attempt.Message)
	case o.reason == reasonTimeout || o.reason == reasonFailed:
		p.failed(now, o.attempt.Message)
	default:
		p.unused(now)
	}
}

// text returns what an error says, as the outbox can keep it.
func text(err error) string { return cut(err.Error()) }

func cut(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
