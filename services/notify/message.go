package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// Limits of the texts in a message.
const (
	maxTitleBytes      = 200
	maxAnnotationBytes = 4096
	titleHosts         = 3
	maxConfirm         = 50 // alerts that one link acknowledges
)

// message builds a message, but for its identity and its links.
func (p *Planner) message(now time.Time, kind alert.MessageKind, c *content) *alert.Message {
	c.sort()
	m := &alert.Message{
		Kind: kind, Status: alert.Resolved, Time: millis(now),
		Firing: len(c.firing), ResolvedN: len(c.ended),
		Hosts: hosts(c.firing),
	}
	if len(c.firing) > 0 {
		m.Status = alert.Firing
		m.Severity = c.firing[0].alert.alert.Labels.Get(severityLabel)
	}
	m.Title = title(kind, c, m.Hosts)
	m.Text = p.text(c)
	m.CommonLabels, m.CommonAnnotations = common(c)
	for _, l := range c.firing[:min(len(c.firing), alert.MaxMessageAlerts)] {
		m.Alerts = append(m.Alerts, p.messageAlert(l, alert.Firing, millis(now)))
	}
	for _, l := range c.ended[:min(len(c.ended), alert.MaxMessageAlerts-len(m.Alerts))] {
		m.Alerts = append(m.Alerts, p.messageAlert(l, alert.Resolved, millis(now)))
	}
	return m
}

func (p *Planner) messageAlert(l listed, status alert.State, now int64) alert.MessageAlert {
	a := &l.alert.alert
	out := alert.MessageAlert{
		Key: a.Key, Status: status, New: l.fresh, Labels: a.Labels, Value: a.Value,
		Annotations: make(map[string]string, len(a.Annotations)),
		Fired:       a.Fired, GeneratorURL: a.GeneratorURL,
		RunbookURL: a.Annotations["runbook_url"],
		URL:        p.url("/alerts/" + url.PathEscape(string(a.Key))),
	}
	for name, text := range a.Annotations {
		out.Annotations[name] = clip(text, maxAnnotationBytes)
	}
	if status == alert.Resolved {
		out.Resolved = a.Resolved
	} else if ack := p.ack(l.alert, now); ack != nil {
		copied := *ack
		out.Ack = &copied
	}
	return out
}

// hosts returns the names of all hosts, sorted.
func hosts(list []listed) []string {
	if len(list) == 0 {
		return nil
	}
	names := make([]string, 0, len(list))
	for _, l := range list {
		if l.alert.host != "" {
			names = append(names, l.alert.host)
		}
	}
	slices.Sort(names)
	return slices.Clip(slices.Compact(names))
}

// title says in one line what it is about.
func title(kind alert.MessageKind, c *content, firing []string) string {
	list, at, lead := c.firing, firing, "Firing"
	if len(list) == 0 {
		list, at, lead = c.ended, hosts(c.ended), "Resolved"
	}
	switch {
	case len(c.firing) == 0:
	case kind == alert.MessageReminder, kind == alert.MessageDigest && !c.news():
		lead = "Still firing"
	case kind == alert.MessageEscalation:
		lead = "Not acknowledged"
	case len(c.flapping) == len(c.firing):
		lead = "Flapping"
	}
	if kind == alert.MessageDigest {
		lead = "Digest: " + strings.ToLower(lead)
	}
	text := lead + ": " + subject(list)
	if kind == alert.MessageDigest && len(at) > titleHosts {
		text += fmt.Sprintf(" on %d hosts", len(at))
	} else if len(at) > 0 {
		text += " on " + enumerate(at, titleHosts)
	}
	if n := len(c.ended); n > 0 && len(c.firing) > 0 {
		text += fmt.Sprintf(" (%d resolved)", n)
	}
	return clip(oneLineText(text), maxTitleBytes)
}

// news tells whether anything in it was not told before.
func (c *content) news() bool {
	return len(c.ended) > 0 || slices.ContainsFunc(c.firing, func(l listed) bool { return l.fresh })
}

// subject names the alerts: by their name if they all have the same.
func subject(list []listed) string {
	if len(list) == 0 {
		return "nothing"
	}
	name := list[0].alert.alert.Name()
	for _, l := range list {
		if l.alert.alert.Name() != name {
			return fmt.Sprintf("%d alerts", len(list))
		}
	}
	if name == "" {
		name = "alert " + string(list[0].alert.alert.Key)
	}
	if len(list) > 1 {
		return fmt.Sprintf("%s (%d)", name, len(list))
	}
	return name
}

func enumerate(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// text says what else people must know.
func (p *Planner) text(c *content) string {
	if len(c.flapping) == 0 {
		return ""
	}
	names := make([]string, 0, titleHosts+1)
	for _, l := range c.flapping[:min(len(c.flapping), titleHosts+1)] {
		names = append(names, oneLineText(subject([]listed{l})+hostSuffix(l.alert)))
	}
	limits := &p.cfg.Limits
	return fmt.Sprintf("Flapping: %s began to fire %d times within %s. More is told when it did not change for %s.",
		enumerate(names, titleHosts), limits.FlapTimes, limits.FlapWindow, limits.FlapCalm)
}

func hostSuffix(t *tracked) string {
	if t.host != "" {
		return " on " + t.host
	}
	return ""
}

// common returns the labels and annotations that all alerts have. Of alerts that are
// not known any more it knows nothing.
func common(c *content) (labels, annotations map[string]string) {
	first := true
	for _, list := range [][]listed{c.firing, c.ended} {
		for _, l := range list {
			a := &l.alert.alert
			switch {
			case len(a.Labels) == 0:
			case first:
				first = false
				labels = labelMap(a.Labels)
				annotations = maps.Clone(a.Annotations)
			default:
				maps.DeleteFunc(labels, func(name, value string) bool { return a.Labels.Get(name) != value })
				maps.DeleteFunc(annotations, func(name, value string) bool { return a.Annotations[name] != value })
			}
		}
	}
	for name, text := range annotations {
		annotations[name] = clip(text, maxAnnotationBytes)
	}
	return labels, annotations
}

// digestLine gathers the alerts of one name.
type digestLine struct {
	alert.DigestLine

	rank          int
	firing, ended []listed
}

// digestLines counts alerts by name, the most that fire first.
func digestLines(c *content) []alert.DigestLine {
	lines := map[string]*digestLine{}
	line := func(t *tracked) *digestLine {
		name := t.alert.Name()
		d := lines[name]
		if d == nil {
			d = &digestLine{rank: -1}
			d.Name = name
			lines[name] = d
		}
		return d
	}
	for _, l := range c.firing {
		d := line(l.alert)
		d.firing = append(d.firing, l)
		if l.alert.rank > d.rank {
			d.rank, d.Severity = l.alert.rank, l.alert.alert.Labels.Get(severityLabel)
		}
	}
	for _, l := range c.ended {
		d := line(l.alert)
		d.ended = append(d.ended, l)
	}
	out := make([]alert.DigestLine, 0, len(lines))
	for _, d := range lines {
		d.Firing, d.Resolved = len(d.firing), len(d.ended)
		if d.Hosts = hosts(d.firing); d.Firing == 0 {
			d.Hosts = hosts(d.ended)
		}
		out = append(out, d.DigestLine)
	}
	slices.SortFunc(out, func(a, b alert.DigestLine) int {
		return cmp.Or(cmp.Compare(b.Firing, a.Firing), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (p *Planner) url(path string) string {
	if p.opt.ExternalURL == "" {
		return ""
	}
	return strings.TrimRight(p.opt.ExternalURL, "/") + path
}

func (p *Planner) signed(path string, now time.Time) string {
	if p.opt.Sign != nil && p.opt.ExternalURL != "" {
		path = p.opt.Sign(path, now)
	}
	return p.url(path)
}

// link fills in the links. The labels are those of the group; without any, the alerts
// have nothing in common that they could be found by.
func (p *Planner) link(m *alert.Message, c *content, labels metric.Labels, now time.Time) {
	query := make(url.Values, 1)
	for _, l := range labels {
		query.Add("matcher", l.Name+"="+strconv.Quote(l.Value))
	}
	m.DashboardURL = p.url("/alerts")
	switch {
	case len(c.firing)+len(c.ended) == 1:
		m.DashboardURL = m.Alerts[0].URL
	case len(query) > 0:
		m.DashboardURL = p.url("/alerts?" + query.Encode())
	}
	if len(c.firing) == 0 {
		return
	}
	if len(labels) > 0 {
		m.SilenceURL = p.signed("/silences/new?"+query.Encode(), now)
	}
	var ids []string
	for _, l := range c.firing {
		if p.ack(l.alert, millis(now)) == nil {
			ids = append(ids, url.QueryEscape(string(l.alert.alert.Key)))
		}
		if len(ids) > maxConfirm {
			break
		}
	}
	// More than this are acknowledged on the dashboard, where one sees which.
	if len(ids) > 0 && len(ids) <= maxConfirm {
		m.ConfirmURL = p.signed("/alerts/confirm?ids="+strings.Join(ids, ","), now)
	}
}

// clip cuts a text at a character.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// oneLineText replaces what would break a line or hide in it.
func oneLineText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// Enrich lets f change the messages of notifications before they are stored: what it
// adds, such as thresholds, units and sparklines, needs I/O, which a plan does not do.
func Enrich(ctx context.Context, notify []alert.Notification, f func(context.Context, *alert.Message)) error {
	for i := range notify {
		var m alert.Message
		if err := json.Unmarshal(notify[i].Payload, &m); err != nil {
			return fmt.Errorf("read the message of notification %s: %w", notify[i].ID, err)
		}
		f(ctx, &m)
		payload, err := json.Marshal(&m)
		if err != nil {
			return fmt.Errorf("write the message of notification %s: %w", notify[i].ID, err)
		}
		notify[i].Payload = payload
	}
	return nil
}
