package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
)

// guard stands before every receiver: it keeps its time, its errors without secrets, and
// the platform from whatever a kind does.
type guard struct {
	definition Definition
	receiver   Receiver
}

// Send implements [Receiver].
func (g *guard) Send(ctx context.Context, m *alert.Message) (err error) {
	if !g.definition.SendResolved && m.Status == alert.Resolved && m.Kind != alert.MessageTest {
		return nil
	}
	if g.definition.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, g.definition.Timeout)
		defer cancel()
	}
	defer func() {
		if r := recover(); r != nil {
			err = outbound.Permanent("the receiver failed inside; this is a fault of the platform: please report it")
		}
		err = g.judge(ctx, err)
	}()
	return g.receiver.Send(ctx, m)
}

// judge returns the error as [Receiver] promises it.
func (g *guard) judge(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("send to %s: %w", g.definition.Name, context.Canceled)
	}
	out := &Error{}
	if e, ok := errors.AsType[*Error](err); ok {
		*out = *e
	} else {
		out.Err = err
	}
	text := out.Status
	if out.Err != nil {
		text = out.Err.Error()
	}
	return &Error{Permanent: out.Permanent, RetryAfter: out.RetryAfter, Status: g.scrub(out.Status), Err: errors.New(g.scrub(text))}
}

// scrub takes out of a text whatever is secret of the definition: an answer may repeat
// what it got.
func (g *guard) scrub(text string) string {
	var parts []string
	for _, s := range g.definition.secrets() {
		parts = append(parts, secretParts(s)...)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // the longest first
	for _, p := range parts {
		text = strings.ReplaceAll(text, p, "***")
	}
	return text
}

// minSecret is how long a secret must be to be looked for: a shorter one would be found
// in every text.
const minSecret = 4

// secretParts returns the secret and, if it is a URL, the parts of it that may be.
func secretParts(s string) []string {
	var parts []string
	add := func(p string) {
		if len(p) >= minSecret {
			parts = append(parts, p, url.QueryEscape(p), url.PathEscape(p))
		}
	}
	add(s)
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return parts
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(password)
		add(u.User.Username())
	}
	if !strings.Contains(u.Host, ".") && u.Scheme != "http" && u.Scheme != "https" {
		add(u.Host) // shoutrrr has tokens there
	}
	for p := range strings.SplitSeq(u.Path, "/") {
		if !word(p) {
			add(p)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if !word(v) {
				add(v)
			}
		}
	}
	return parts
}

// word tells whether a part of a URL is more likely a word, as in /services/, than a
// secret.
func word(s string) bool {
	return len(s) < 20 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-_") == ""
}
