package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// URL is where messages are posted.
	URL secret.Value `yaml:"url"`
	// Method is POST or PUT.
	Method string `yaml:"method"`
	// Headers are what is sent with each message.
	Headers map[string]secret.Value `yaml:"headers"`
	// Username is for basic authentication.
	Username string `yaml:"username"`
	// Password is that user's.
	Password secret.Value `yaml:"password"`
	// Token is a bearer token.
	Token secret.Value `yaml:"token"`
	// SigningKey is what messages are signed with, so that the server can prove where one
	// is from: a header has the time and the HMAC-SHA256 of it, a dot and the body.
	SigningKey secret.Value `yaml:"signing_key"`
	// Template is a Go template that writes the body; empty for Alertmanager's payload.
	Template string `yaml:"template"`
	// ContentType is that of the template's body.
	ContentType string `yaml:"content_type"`
}

// SetDefaults fills in what is not written.
func (c *Config) SetDefaults() { c.Method, c.ContentType = http.MethodPost, "application/json" }

// Headers that are the receiver's own.
var reserved = map[string]bool{
	"Host": true, "Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Connection": true,
	"Idempotency-Key": true, SignatureHeader: true, "Trailer": true, "Te": true, "Upgrade": true,
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !c.URL.Set() {
		bad("url: it is missing; write where messages are posted")
	} else if text, literal := c.URL.Literal(); literal {
		if u, err := url.Parse(strings.TrimSpace(text)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("url: it is no URL of http or https")
		}
	}
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		bad("method: %q is neither POST nor PUT", c.Method)
	}
	for name, value := range c.Headers {
		text, _ := value.Literal()
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			bad("headers: %q is no name of a header", name)
		case reserved[textproto.CanonicalMIMEHeaderKey(name)]:
			bad("headers: %s is set by the platform; leave it out", name)
		case !httpguts.ValidHeaderFieldValue(text):
			bad("headers.%s: the value has characters that a header cannot have", name)
		}
	}
	if c.Username != "" && c.Token.Set() {
		bad("token: write a username and a password, or a token, not both")
	}
	if !httpguts.ValidHeaderFieldValue(c.ContentType) || c.ContentType == "" {
		bad("content_type: it is no content type; application/json is one")
	}
	return errors.Join(errs...)
}

// Target returns where messages go, without what may be secret of it.
func (c *Config) Target() string {
	text, err := c.URL.Read()
	if err != nil {
		return c.URL.String()
	}
	return wording.Redacted(text)
}
