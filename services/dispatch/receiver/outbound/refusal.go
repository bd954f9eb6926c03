package outbound

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// maxQuoted is how much of an answer an error quotes, in characters.
const maxQuoted = 300

// Refused makes the error of a refusal. The advice says what to do about it; if it is
// empty there is one by the status.
func (c *Client) Refused(r *Refusal, advice string) *Error {
	e := &Error{Permanent: !Retryable(r.Status), Status: StatusText(r.Status)}
	if !e.Permanent {
		e.RetryAfter = RetryAfter(r.Header.Get("Retry-After"), c.now())
	}
	if advice == "" {
		advice = r.advice()
	}
	text := fmt.Sprintf("%s refused the message", r.Host)
	if advice != "" {
		text += "; " + advice
	}
	if quoted := wording.Cut(wording.Line(string(r.Body)), maxQuoted); quoted != "" {
		text += fmt.Sprintf("; it answered %q", quoted)
	}
	e.Err = fmt.Errorf("%s", text)
	return e
}

// StatusText returns the status as HTTP writes it.
func StatusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

func (r *Refusal) advice() string {
	switch {
	case r.Status >= 300 && r.Status <= 399:
		host := "another address"
		if u, err := url.Parse(r.Header.Get("Location")); err == nil && u.Host != "" {
			host = wording.Cut(wording.Line(u.Host), 100)
		}
		return "it redirects to " + host + ", which is not followed: set the receiver's url to where the service is"
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return "check the receiver's credentials"
	case r.Status == http.StatusProxyAuthRequired:
		return "the proxy asks for credentials: put them into the receiver's proxy"
	case r.Status == http.StatusNotFound || r.Status == http.StatusGone:
		return "check the receiver's url: there is nothing there, or not any more"
	case r.Status == http.StatusRequestEntityTooLarge:
		return "it is too large for the service"
	case r.Status == http.StatusTooManyRequests:
		return "it gets more messages than it takes: lower the receiver's rate"
	}
	return ""
}
