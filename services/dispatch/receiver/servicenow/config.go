package servicenow

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Config is a receiver of this kind.
type Config struct {
	// URL is that of the instance, https://example.service-now.com.
	URL string `yaml:"url"`
	// Username is for basic authentication.
	Username string `yaml:"username"`
	// Password is that user's.
	Password secret.Value `yaml:"password"`
	// Token is a bearer token that does not change.
	Token secret.Value `yaml:"token"`
	// OAuth is how tokens are got by a client's credentials; with a username and a
	// password by theirs.
	OAuth *OAuth `yaml:"oauth"`
	// Table is where the incidents are.
	Table string `yaml:"table"`
	// Fields are what is set in each new incident: assignment_group, category …
	Fields map[string]string `yaml:"fields"`
	// Urgency is that of a new incident, 1 to 3, by severity. Those not named are taken
	// by their meaning.
	Urgency map[string]int `yaml:"urgency"`
	// Impact is its impact, likewise.
	Impact map[string]int `yaml:"impact"`
	// ResolvedState is the state that a resolved incident gets; 0 leaves it open and adds
	// a note only.
	ResolvedState int `yaml:"resolved_state"`
	// CloseCode is what it is closed with.
	CloseCode string `yaml:"close_code"`
}

// OAuth is how tokens are got.
type OAuth struct {
	// TokenURL is where tokens are got; the instance's /oauth_token.do if it is empty.
	TokenURL string `yaml:"token_url"`
	// ClientID is who asks.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the client's secret.
	ClientSecret secret.Value `yaml:"client_secret"`
}

// SetDefaults fills in what is not written.
func (c *Config) SetDefaults() {
	c.Table, c.ResolvedState, c.CloseCode = "incident", 6, "Resolved by caller"
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,79}$`)

// Fields that are the receiver's own.
var reserved = map[string]bool{
	"correlation_id": true, "correlation_display": true, "sys_id": true, "number": true, "state": true,
	"short_description": true, "description": true, "work_notes": true, "close_notes": true, "close_code": true,
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		bad("url: it is not the URL of an instance, such as https://example.service-now.com")
	}
	if !name.MatchString(c.Table) {
		bad("table: %q is no name of a table", c.Table)
	}
	for field := range c.Fields {
		switch {
		case !name.MatchString(field):
			bad("fields: %q is no name of a field", field)
		case reserved[field]:
			bad("fields: %s is set by the platform; leave it out", field)
		}
	}
	for key, levels := range map[string]map[string]int{"urgency": c.Urgency, "impact": c.Impact} {
		for severity, level := range levels {
			if level < 1 || level > 3 {
				bad("%s.%s: %d is not 1, 2 or 3", key, severity, level)
			}
		}
	}
	if c.ResolvedState < 0 || c.ResolvedState > 100 {
		bad("resolved_state: %d is no state; 6 is resolved", c.ResolvedState)
	}
	return errors.Join(append(errs, c.validateAuth()...)...)
}

func (c *Config) validateAuth() []error {
	var errs []error
	basic := c.Username != ""
	switch {
	case basic && !c.Password.Set():
		errs = append(errs, errors.New("password: it is missing"))
	case c.Token.Set() && (basic || c.OAuth != nil):
		errs = append(errs, errors.New("token: write one of a token, a username and a password, or oauth"))
	case !basic && !c.Token.Set() && c.OAuth == nil:
		errs = append(errs, errors.New("username: credentials are missing; write a username and a password, a token, or oauth"))
	}
	if c.OAuth == nil {
		return errs
	}
	if c.OAuth.ClientID == "" || !c.OAuth.ClientSecret.Set() {
		errs = append(errs, errors.New("oauth: write client_id and client_secret"))
	}
	if t := c.OAuth.TokenURL; t != "" {
		if u, err := url.Parse(t); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, errors.New("oauth.token_url: it is no URL of http or https"))
		}
	}
	return errs
}

// Target returns where messages go.
func (c *Config) Target() string { return wording.Redacted(c.URL) + " " + c.Table }

// table returns the URL of the table.
func (c *Config) table() string {
	return strings.TrimRight(c.URL, "/") + "/api/now/table/" + c.Table
}

// level returns the urgency or impact of a severity.
func level(levels map[string]int, severity string) int {
	if l := levels[severity]; l > 0 {
		return l
	}
	switch wording.Level(severity) {
	case wording.Critical:
		return 1
	case wording.Info:
		return 3
	}
	return 2
}
