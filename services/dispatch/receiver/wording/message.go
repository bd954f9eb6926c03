package wording

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// Host returns what an alert is about: a host, a remote target, or an instance of other
// Prometheus servers. It is empty if it is about none.
func Host(labels metric.Labels) string {
	for _, name := range []string{"host_name", "target", "instance", "host_id"} {
		if v := labels.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// Severities, the worst first, as the platform's own rules have them. Others may be
// there, too.
const (
	Critical = "critical"
	Warning  = "warning"
	Info     = "info"
)

// Level returns which of [Critical], [Warning] and [Info] a severity comes to; warning
// for one that nobody knows.
func Level(severity string) string {
	switch strings.ToLower(severity) {
	case "critical", "crit", "error", "page", "emergency", "fatal", "high", "disaster", "alert", "p1":
		return Critical
	case "info", "information", "notice", "low", "none", "debug", "p4", "p5":
		return Info
	}
	return Warning
}

// Title returns the title of the message as one line, cut to so many characters.
func Title(m *alert.Message, characters int) string {
	title := Line(m.Title)
	if title == "" {
		title = Counts(m)
	}
	return Cut(title, characters)
}

// Counts says how many alerts there are.
func Counts(m *alert.Message) string {
	switch {
	case m.Firing > 0 && m.ResolvedN > 0:
		return fmt.Sprintf("%d firing, %d resolved", m.Firing, m.ResolvedN)
	case m.Firing > 0:
		return fmt.Sprintf("%d firing", m.Firing)
	case m.ResolvedN > 0:
		return fmt.Sprintf("%d resolved", m.ResolvedN)
	}
	return "no alert"
}

// Kind says why the message comes, or nothing if it is news.
func Kind(m *alert.Message) string {
	switch m.Kind {
	case alert.MessageReminder:
		return "reminder"
	case alert.MessageEscalation:
		return "escalation: nobody has acknowledged this"
	case alert.MessageDigest:
		return "digest: too many alerts to tell one by one"
	case alert.MessageTest:
		return "test: nothing is wrong"
	}
	return ""
}

// Headline says in one line how things are: the severity, the counts, why it comes.
func Headline(m *alert.Message) string {
	var parts []string
	if m.Status == alert.Firing && m.Severity != "" {
		parts = append(parts, Cut(Line(m.Severity), 40))
	}
	parts = append(parts, Counts(m))
	if k := Kind(m); k != "" {
		parts = append(parts, k)
	}
	return strings.Join(parts, " · ")
}

// Reading returns the value of an alert against what it is compared with.
func Reading(a *alert.MessageAlert) string {
	text := Value(a.Value, a.Unit)
	if a.Threshold != "" {
		text += " (threshold " + Cut(Line(a.Threshold), 100) + ")"
	}
	return text
}

// Since says when an alert began, how long it lasts or lasted, by the message's time.
func Since(a *alert.MessageAlert, now int64) string {
	if a.Status == alert.Resolved {
		text := Time(a.Resolved)
		if span := Span(a.Fired, a.Resolved); span != "" {
			text += ", after " + span
		}
		return text
	}
	text := Time(a.Fired)
	if span := Span(a.Fired, now); span != "" {
		text += " (" + span + ")"
	}
	return text
}

// Description returns what the rule says about an alert.
func Description(annotations map[string]string) string {
	summary, description := Line(annotations["summary"]), Text(annotations["description"])
	switch {
	case summary == "" && description == "":
		return Text(annotations["message"])
	case summary == "" || strings.HasPrefix(description, summary):
		return description
	case description == "":
		return summary
	}
	return summary + "\n" + description
}

// Fact is a name and what it is, both of foreign text that was made harmless.
type Fact struct{ Name, Value string }

// CommonFacts returns what all alerts of the message have: what they are grouped by, who
// owns them. Values are cut to so many characters.
func CommonFacts(m *alert.Message, characters int) []Fact {
	var facts []Fact
	for _, name := range slices.Sorted(maps.Keys(m.GroupLabels)) {
		if name != alert.NameLabel && m.GroupLabels[name] != "" {
			facts = append(facts, Fact{Cut(Line(name), 80), Cut(Line(m.GroupLabels[name]), characters)})
		}
	}
	if owner := m.CommonLabels["owner"]; owner != "" && m.GroupLabels["owner"] == "" {
		facts = append(facts, Fact{"owner", Cut(Line(owner), characters)})
	}
	return facts
}

// Facts returns what is to be known of one alert, without what [CommonFacts] say of all.
// Values are cut to so many characters.
func Facts(m *alert.Message, a *alert.MessageAlert, characters int) []Fact {
	var facts []Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, Fact{name, Cut(Line(value), characters)})
		}
	}
	add("Host", Host(a.Labels))
	add("Value", Reading(a))
	if a.Status == alert.Resolved {
		add("Resolved", Since(a, m.Time))
	} else {
		add("Since", Since(a, m.Time))
	}
	if owner := a.Labels.Get("owner"); owner != m.CommonLabels["owner"] && owner != m.GroupLabels["owner"] {
		add("Owner", owner)
	}
	if a.Ack != nil {
		by := a.Ack.Author
		if a.Ack.Comment != "" {
			by += ": " + a.Ack.Comment
		}
		add("Acknowledged", by)
	}
	for _, l := range a.Labels {
		if !told(l.Name) && m.GroupLabels[l.Name] != l.Value {
			add(Cut(Line(l.Name), 80), l.Value)
		}
	}
	return facts
}

// told tells whether a label is shown in another way or says nothing to people.
func told(name string) bool {
	switch name {
	case alert.NameLabel, "host_name", "host_id", "os_type", "owner", "severity", "__name__":
		return true
	}
	return false
}

// Left returns how many alerts are not in the message in full.
func Left(m *alert.Message) int { return max(0, m.Firing+m.ResolvedN-len(m.Alerts)) }

// Acknowledged tells whether somebody deals with every alert that fires.
func Acknowledged(m *alert.Message) bool {
	acked := 0
	for i := range m.Alerts {
		if m.Alerts[i].Status == alert.Firing && m.Alerts[i].Ack != nil {
			acked++
		}
	}
	return m.Firing > 0 && acked == m.Firing
}

// Runbook returns the runbook of the first alert that has one.
func Runbook(m *alert.Message) string {
	for i := range m.Alerts {
		if u := URL(m.Alerts[i].RunbookURL); u != "" {
			return u
		}
	}
	return URL(m.CommonAnnotations["runbook_url"])
}

// Page returns where the dashboard shows what the message is about.
func Page(m *alert.Message) string {
	if len(m.Alerts) == 1 && Left(m) == 0 {
		if u := URL(m.Alerts[0].URL); u != "" {
			return u
		}
	}
	return URL(m.DashboardURL)
}
