package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/email"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/pagerduty"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/servicenow"
	"github.com/esolutions/esmon/services/dispatch/receiver/shoutrrr"
	"github.com/esolutions/esmon/services/dispatch/receiver/slack"
	"github.com/esolutions/esmon/services/dispatch/receiver/teams"
	"github.com/esolutions/esmon/services/dispatch/receiver/webhook"
)

// Deps are what receivers need.
type Deps struct {
	// Now is the clock; nil for the usual one.
	Now func() time.Time
	// Dial opens connections; nil for the usual way. Shoutrrr's services do not use it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Templates are those that templates of receivers may use, by name.
	Templates map[string]string
}

// Set is all receivers.
type Set struct {
	byName map[string]*guard
	close  []func()
}

// New makes the receivers of a configuration that [Parse] found nothing wrong with. It
// opens no connection. The set is there in any case: an error says which receivers
// cannot work as things are, because a secret or a certificate is not there. Until it is,
// and for a certificate until the set is made anew, their messages fail for a time.
func New(c *Config, deps Deps, log *slog.Logger) (*Set, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Set{byName: make(map[string]*guard, len(c.Receivers))}
	var errs []error
	for i := range c.Receivers {
		d := c.Receivers[i]
		if err := d.checkSecrets(); err != nil {
			errs = append(errs, fmt.Errorf("receiver %s: %w", d.Name, err))
		}
		r, err := s.open(&d, deps, log)
		if err != nil {
			errs = append(errs, fmt.Errorf("receiver %s: %w", d.Name, err))
			r = broken{err}
		}
		s.byName[d.Name] = &guard{definition: d, receiver: r}
	}
	return s, errors.Join(errs...)
}

// checkSecrets tells whether all secrets can be read.
func (d *Definition) checkSecrets() error {
	var errs []error
	visit(reflect.ValueOf(d).Elem(), func(v secret.Value, _ func(secret.Value)) {
		if _, err := v.Read(); err != nil {
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}

// secrets returns the texts of all secrets that can be read.
func (d *Definition) secrets() []string {
	var all []string
	visit(reflect.ValueOf(d).Elem(), func(v secret.Value, _ func(secret.Value)) {
		if text, err := v.Read(); err == nil && text != "" {
			all = append(all, text)
		}
	})
	return all
}

// open returns the receiver of a definition.
func (s *Set) open(d *Definition, deps Deps, log *slog.Logger) (Receiver, error) {
	if d.Shoutrrr != nil {
		return shoutrrr.New(*d.Shoutrrr), nil
	}
	if d.Email != nil {
		tlsConfig, err := outbound.TLS(d.CAFile)
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the field
		}
		return email.New(*d.Email, tlsConfig, deps.Dial, log.With("receiver", d.Name)) //nolint:wrapcheck // it says what is wrong
	}
	client, err := outbound.NewClient(outbound.Config{Proxy: d.Proxy, CAFile: d.CAFile, Dial: deps.Dial, Now: deps.Now})
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the field
	}
	s.close = append(s.close, client.Close)
	switch {
	case d.Teams != nil:
		return teams.New(*d.Teams, client), nil
	case d.Slack != nil:
		return slack.New(*d.Slack, client), nil
	case d.PagerDuty != nil:
		return pagerduty.New(*d.PagerDuty, client), nil
	case d.ServiceNow != nil:
		return servicenow.New(*d.ServiceNow, client), nil
	case d.Webhook != nil:
		return webhook.New(*d.Webhook, client, deps.Templates) //nolint:wrapcheck // it names the field
	}
	return nil, fmt.Errorf("it is of no kind; write one of %s", strings.Join(Kinds(), ", "))
}

// broken is a receiver that could not be made.
type broken struct{ err error }

// Send says why.
func (b broken) Send(context.Context, *alert.Message) error {
	return outbound.Temporary("the receiver cannot be used: %w", b.err)
}

// Close closes the connections that are idle. Those who send meanwhile are not
// disturbed, and the set can still be used.
func (s *Set) Close() {
	for _, c := range s.close {
		c()
	}
}

// Get returns the receiver of that name.
func (s *Set) Get(name string) (Receiver, bool) {
	g, ok := s.byName[name]
	if !ok {
		return nil, false
	}
	return g, true
}

// Info is what people are told about a receiver.
type Info struct {
	Name, Kind   string
	Target       string // where messages go, without what may be secret of it
	SendResolved bool
	Timeout      time.Duration
	Rate         Rate
}

// List returns the receivers by name.
func (s *Set) List() []Info {
	all := make([]Info, 0, len(s.byName))
	for _, g := range s.byName {
		d := &g.definition
		all = append(all, Info{Name: d.Name, Kind: d.Kind(), Target: d.Target(), SendResolved: d.SendResolved, Timeout: d.Timeout, Rate: d.Rate})
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}
