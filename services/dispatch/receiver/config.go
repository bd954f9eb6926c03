package receiver

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/dispatch/receiver/email"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/pagerduty"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/servicenow"
	"github.com/esolutions/esmon/services/dispatch/receiver/shoutrrr"
	"github.com/esolutions/esmon/services/dispatch/receiver/slack"
	"github.com/esolutions/esmon/services/dispatch/receiver/teams"
	"github.com/esolutions/esmon/services/dispatch/receiver/webhook"
	"github.com/esolutions/esmon/services/settings"
)

// Limits of receivers.yaml.
const (
	maxReceivers = 1000
	maxNameBytes = 100
	minTimeout   = 100 * time.Millisecond
	maxTimeout   = 5 * time.Minute
)

// Config is the content of receivers.yaml.
type Config struct {
	// Receivers are who can be told.
	Receivers []Definition `yaml:"receivers"`
}

// Names returns the names of the receivers, in their order.
func (c *Config) Names() []string {
	names := make([]string, len(c.Receivers))
	for i := range c.Receivers {
		names[i] = c.Receivers[i].Name
	}
	return names
}

// Definition is one receiver. Exactly one of the kinds is set.
type Definition struct {
	// Name is what routes name it by.
	Name string `yaml:"name"`

	Teams      *teams.Config      `yaml:"teams"`
	Email      *email.Config      `yaml:"email"`
	Slack      *slack.Config      `yaml:"slack"`
	PagerDuty  *pagerduty.Config  `yaml:"pagerduty"`
	ServiceNow *servicenow.Config `yaml:"servicenow"`
	Webhook    *webhook.Config    `yaml:"webhook"`
	Shoutrrr   *shoutrrr.Config   `yaml:"shoutrrr"`

	// SendResolved is whether it is told that alerts are over.
	SendResolved bool `yaml:"send_resolved"`
	// Timeout is how long an attempt may take; if it is left out, 10 or 30 seconds, as
	// suits the kind.
	Timeout time.Duration `yaml:"timeout"`
	// Proxy is the URL of an HTTP or SOCKS5 proxy, or none; if it is left out, the
	// environment's HTTPS_PROXY, HTTP_PROXY and NO_PROXY count.
	Proxy secret.Value `yaml:"proxy"`
	// CAFile is a file with the certificates, PEM, that are trusted instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Rate is how many messages it is sent at most, such as 30/1m, or none; if it is
	// left out, one that suits the kind.
	Rate Rate `yaml:"rate"`
}

// SetDefaults fills in what is not written.
func (d *Definition) SetDefaults() { d.SendResolved = true }

// Kinds are the names of the kinds, as the file has them.
func Kinds() []string {
	return []string{"teams", "email", "slack", "pagerduty", "servicenow", "webhook", "shoutrrr"}
}

// kind is what all configurations of kinds can do.
type kind interface {
	Validate() error
	Target() string
}

// kinds returns the kinds that are set, by name.
func (d *Definition) kinds() map[string]kind {
	set := map[string]kind{}
	for name, k := range map[string]struct {
		set bool
		kind
	}{
		"teams": {d.Teams != nil, d.Teams}, "email": {d.Email != nil, d.Email}, "slack": {d.Slack != nil, d.Slack},
		"pagerduty": {d.PagerDuty != nil, d.PagerDuty}, "servicenow": {d.ServiceNow != nil, d.ServiceNow},
		"webhook": {d.Webhook != nil, d.Webhook}, "shoutrrr": {d.Shoutrrr != nil, d.Shoutrrr},
	} {
		if k.set {
			set[name] = k.kind
		}
	}
	return set
}

// Kind returns the name of the kind; empty if none or several are set.
func (d *Definition) Kind() string {
	set := d.kinds()
	if len(set) != 1 {
		return ""
	}
	for name := range set {
		return name
	}
	return ""
}

// Target returns where messages go, without what may be secret of it.
func (d *Definition) Target() string {
	if k := d.kinds()[d.Kind()]; k != nil {
		return k.Target()
	}
	return ""
}

// What a receiver gets if its definition does not say.
var (
	defaultRates = map[string]Rate{
		"teams": {60, time.Minute}, "email": {60, time.Minute}, "slack": {60, time.Minute},
		"pagerduty": {120, time.Minute}, "servicenow": {120, time.Minute}, "shoutrrr": {30, time.Minute},
	}
	defaultTimeouts = map[string]time.Duration{"teams": 30 * time.Second, "slack": 30 * time.Second, "email": 30 * time.Second, "servicenow": 30 * time.Second}
)

const defaultTimeout = 10 * time.Second

// fill sets what depends on the kind.
func (d *Definition) fill() {
	name := d.Kind()
	if d.Timeout == 0 {
		if d.Timeout = defaultTimeouts[name]; d.Timeout == 0 {
			d.Timeout = defaultTimeout
		}
	}
	if d.Rate == (Rate{}) {
		d.Rate = defaultRates[name]
	}
}

// Validate returns what is wrong, each with what would be right, but for what is wrong
// within the kinds.
func (d *Definition) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case d.Name == "":
		bad("name: it is missing; write the name that routes.yaml uses")
	case len(d.Name) > maxNameBytes || strings.TrimSpace(d.Name) != d.Name || strings.ContainsFunc(d.Name, func(r rune) bool { return !strconv.IsPrint(r) }):
		bad("name: %q is no name; use up to %d letters, digits and spaces", d.Name, maxNameBytes)
	}
	if n := len(d.kinds()); n != 1 {
		bad("%d kinds are set; write exactly one of %s", n, strings.Join(Kinds(), ", "))
	}
	if d.Timeout != 0 && (d.Timeout < minTimeout || d.Timeout > maxTimeout) {
		bad("timeout: must be from %v to %v", minTimeout, maxTimeout)
	}
	if d.Shoutrrr != nil && (d.Proxy.Set() || d.CAFile != "") {
		bad("proxy: proxy and ca_file do not count for shoutrrr; leave them out and set HTTPS_PROXY and SSL_CERT_FILE for the process")
	}
	if d.Email != nil && d.Proxy.Set() {
		bad("proxy: mail does not go over a proxy; leave it out")
	}
	if err := d.checkProxy(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (d *Definition) checkProxy() error {
	text, literal := d.Proxy.Literal()
	if !literal || text == "" || text == outbound.NoProxy {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return errors.New("proxy: it must be a URL such as http://proxy.example.com:3128 or socks5://proxy.example.com:1080, or none")
	}
	return nil
}

// Rate is a number of messages in a time.
type Rate struct {
	// Messages is how many; 0 if there is no limit.
	Messages int
	// Per is the time.
	Per time.Duration
}

// unlimited is a rate that was written as none, and so is not the default.
var unlimited = Rate{0, time.Minute}

// UnmarshalText reads a rate such as 30/1m, or none.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*r = unlimited
		return nil
	}
	number, per, ok := strings.Cut(string(text), "/")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || !ok || n < 1 || n > 1_000_000 {
		return fmt.Errorf("%q is no rate; write messages in a time, such as 30/1m, or none", text)
	}
	d, err := settings.ParseDuration(strings.TrimSpace(per))
	if err != nil || d < time.Second || d > 24*time.Hour {
		return fmt.Errorf("%q is no rate: the time is from 1s to 1d, as in 30/1m", text)
	}
	*r = Rate{n, d}
	return nil
}

// String returns the rate as it is written.
func (r Rate) String() string {
	if r.Messages == 0 {
		return "none"
	}
	return fmt.Sprintf("%d/%s", r.Messages, r.Per)
}
