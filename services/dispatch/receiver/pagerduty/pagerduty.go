package pagerduty

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// DefaultURL is PagerDuty's own; https://events.eu.pagerduty.com/v2/enqueue is that of
// the region EU.
const DefaultURL = "https://events.pagerduty.com/v2/enqueue"

// Limits of an event.
const (
	MaxBytes   = 512_000
	maxSummary = 1024
	maxKey     = 255
	maxSource  = 255
	maxDetails = 400_000 // characters of JSON text; what is left is for the rest
)

// Config is a receiver of this kind.
type Config struct {
	// RoutingKey is the integration key of the service.
	RoutingKey secret.Value `yaml:"routing_key"`
	// URL is that of the Events API.
	URL string `yaml:"url"`
	// Severities is which severity of PagerDuty, critical, error, warning or info, an
	// alert's becomes. Those not named are taken by their meaning.
	Severities map[string]string `yaml:"severities"`
}

// SetDefaults fills in what is not written.
func (c *Config) SetDefaults() { c.URL = DefaultURL }

var severities = []string{"critical", "error", "warning", "info"}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	if !c.RoutingKey.Set() {
		errs = append(errs, errors.New("routing_key: it is missing; write the integration key of the service, or {file: PATH} or {env: NAME}"))
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, errors.New("url: it is no URL of http or https"))
	}
	for name, s := range c.Severities {
		if !slices.Contains(severities, s) {
			errs = append(errs, fmt.Errorf("severities.%s: %q is none of %s", name, s, strings.Join(severities, ", ")))
		}
	}
	return errors.Join(errs...)
}

// Target returns where messages go.
func (c *Config) Target() string { return wording.Redacted(c.URL) }

// Receiver sends events.
type Receiver struct {
	config Config
	client *outbound.Client
}

// New returns a receiver.
func New(c Config, client *outbound.Client) *Receiver { return &Receiver{c, client} }

// Send sends the event of the message.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	key, err := r.config.RoutingKey.Read()
	if err != nil {
		return outbound.Temporary("read the routing_key: %w", err)
	}
	body := encode(r.config.event(m, key))
	_, refusal, err := r.client.Do(ctx, outbound.Request{URL: r.config.URL, Body: body, Key: m.ID})
	if refusal != nil {
		advice := ""
		if refusal.Status == 400 && bytes.Contains(bytes.ToLower(refusal.Body), []byte("routing_key")) {
			advice = "check the routing_key: it is the integration key of an Events API v2 integration"
		}
		return r.client.Refused(refusal, advice)
	}
	return err
}

type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
	Links      []link   `json:"links,omitempty"`
}

type payload struct {
	Summary   string  `json:"summary"`
	Source    string  `json:"source"`
	Severity  string  `json:"severity"`
	Timestamp string  `json:"timestamp"`
	Component string  `json:"component,omitempty"`
	Group     string  `json:"group,omitempty"`
	Class     string  `json:"class,omitempty"`
	Details   details `json:"custom_details"`
}

type details struct {
	State  string `json:"state"`
	Text   string `json:"text,omitempty"`
	Hosts  string `json:"hosts,omitempty"`
	Alerts string `json:"alerts,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// event returns the event of a message.
func (c *Config) event(m *alert.Message, key string) event {
	e := event{RoutingKey: key, Action: action(m), DedupKey: dedupKey(m.Order), Client: "esmon", ClientURL: wording.Page(m)}
	if e.Action == "resolve" {
		return e // PagerDuty reads no more of it
	}
	e.Payload = &payload{
		Summary: wording.Title(m, maxSummary/4), Source: source(m), Severity: c.severity(m),
		Timestamp: time.UnixMilli(began(m)).UTC().Format(time.RFC3339Nano),
		Group:     wording.Cut(wording.Line(m.GroupLabels["site"]), maxSource), Class: wording.Cut(wording.Line(m.GroupLabels[alert.NameLabel]), maxSource),
		Details: details{State: wording.Headline(m), Text: wording.Cut(wording.Text(m.Text), 4000)},
	}
	e.Payload.Details.Hosts = strings.TrimSpace(wording.HostLine(m, maxDetails))
	for _, l := range wording.Links(m) {
		e.Links = append(e.Links, link{l.URL, l.Name})
	}
	without := *m
	without.Hosts, without.Text = nil, ""
	for limit := 64_000; limit > 1000; limit /= 2 {
		e.Payload.Details.Alerts = wording.Plain(&without, limit)
		if len(encode(e)) <= MaxBytes {
			return e
		}
	}
	e.Payload.Details = details{State: e.Payload.Details.State, Hosts: wording.Cut(e.Payload.Details.Hosts, MaxBytes/16)}
	return e
}

// action says what becomes of the incident.
func action(m *alert.Message) string {
	switch {
	case m.Status == alert.Resolved:
		return "resolve"
	case m.Kind != alert.MessageEscalation && wording.Acknowledged(m):
		return "acknowledge"
	}
	return "trigger"
}

// dedupKey returns the name of the incident: the thread, or its hash if it is too long.
func dedupKey(order string) string {
	if len(order) <= maxKey && order != "" && wording.Line(order) == order {
		return order
	}
	sum := sha256.Sum256([]byte(order))
	return hex.EncodeToString(sum[:])
}

func (c *Config) severity(m *alert.Message) string {
	if s := c.Severities[m.Severity]; s != "" {
		return s
	}
	if slices.Contains(severities, m.Severity) {
		return m.Severity
	}
	return wording.Level(m.Severity)
}

// source returns what the incident is about.
func source(m *alert.Message) string {
	switch {
	case len(m.Hosts) == 1:
		return wording.Cut(wording.Line(m.Hosts[0]), maxSource)
	case len(m.Hosts) > 1:
		return fmt.Sprintf("%d hosts", len(m.Hosts))
	}
	return "esmon"
}

// began returns when the first alert began, or when the message was made.
func began(m *alert.Message) int64 {
	t := m.Time
	for _, a := range m.Alerts {
		if a.Status == alert.Firing && a.Fired > 0 {
			t = min(t, a.Fired)
		}
	}
	return t
}

func encode(e event) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // strings and structs of them: it never fails
	return bytes.TrimRight(b.Bytes(), "\n")
}
