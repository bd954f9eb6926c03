package wording

import (
	"fmt"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
)

// Plain writes the message as text without any markup, of at most so many bytes. The
// hosts are named before the details, and as many alerts are told as fit.
func Plain(m *alert.Message, limit int) string {
	var b strings.Builder
	b.WriteString(CutBytes(Title(m, 300), limit/4) + "\n" + Headline(m) + "\n")
	if text := Text(m.Text); text != "" {
		b.WriteString("\n" + CutBytes(text, limit/4) + "\n")
	}
	links := linkLines(m)
	if len(links) > limit/4 {
		links = ""
	}
	hosts := HostLine(m, max(limit/2-b.Len(), 200))
	rest := limit - b.Len() - len(links) - len(hosts)
	return CutBytes(b.String()+plainAlerts(m, rest)+hosts+links, limit)
}

func linkLines(m *alert.Message) string {
	var b strings.Builder
	for _, l := range Links(m) {
		fmt.Fprintf(&b, "\n%s: %s", l.Name, l.URL)
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// plainAlerts tells as many alerts, or lines of a digest, as fit, and how many do not.
func plainAlerts(m *alert.Message, limit int) string {
	const rest = 40 // for "and 1234567 more"
	var b strings.Builder
	shown, all := 0, len(m.Digest)
	for _, d := range m.Digest {
		line := "\n- " + DigestText(d)
		if b.Len()+len(line)+rest > limit {
			break
		}
		b.WriteString(line)
		shown++
	}
	if all == 0 {
		all = m.Firing + m.ResolvedN
		for i := range m.Alerts {
			text := plainAlert(m, &m.Alerts[i])
			if b.Len()+len(text)+rest > limit {
				break
			}
			b.WriteString(text)
			shown++
		}
	}
	if b.Len() > 0 || all > shown {
		if all > shown {
			fmt.Fprintf(&b, "\nand %d more", all-shown)
		}
	}
	if text := strings.TrimRight(b.String(), "\n"); text != "" {
		return text + "\n"
	}
	return ""
}

func plainAlert(m *alert.Message, a *alert.MessageAlert) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", StatusWord(a.Status), Cut(Line(a.Labels.Get(alert.NameLabel)), 200))
	if text := Cut(Description(a.Annotations), 1000); text != "" {
		b.WriteString("  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n")
	}
	for _, f := range Facts(m, a, 300) {
		fmt.Fprintf(&b, "  %s: %s\n", f.Name, f.Value)
	}
	if spark := Spark(a.Spark, 60); spark != "" {
		b.WriteString("  Last hour: " + spark + "\n")
	}
	return b.String()
}

// StatusWord is how the state of an alert is shown.
func StatusWord(s alert.State) string {
	if s == alert.Resolved {
		return "RESOLVED"
	}
	return "FIRING"
}

// DigestText writes one line of a digest.
func DigestText(d alert.DigestLine) string {
	text := Cut(Line(d.Name), 200)
	if d.Severity != "" {
		text += " (" + Cut(Line(d.Severity), 40) + ")"
	}
	text += fmt.Sprintf(": %d firing, %d resolved", d.Firing, d.Resolved)
	if n := len(d.Hosts); n > 0 {
		text += fmt.Sprintf(" on %d hosts", n)
		if n == 1 {
			text = strings.TrimSuffix(text, "s")
		}
	}
	return text
}

// HostLine names all hosts of the message, or as many as fit and how many do not. It is
// empty if the message has none.
func HostLine(m *alert.Message, limit int) string {
	if !NamesHosts(m) {
		return ""
	}
	text := fmt.Sprintf("\nHosts (%d): ", len(m.Hosts))
	shown, more := FitHosts(HostTerms(m), limit-len(text)-40)
	text += hostlist.Join(shown)
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + "\n"
}

// NamesHosts tells whether a message needs its list of hosts: not if the only one stands
// with its alert.
func NamesHosts(m *alert.Message) bool {
	if len(m.Hosts) == 1 && len(m.Digest) == 0 && len(m.Alerts) > 0 {
		return Host(m.Alerts[0].Labels) != m.Hosts[0]
	}
	return len(m.Hosts) > 0
}

// maxTerm is how long one term of a host list may be: a name that is longer than any
// name of a host must not keep the others from being told.
const maxTerm = 1500

// HostTerms returns the host list of the message.
func HostTerms(m *alert.Message) []string {
	terms := hostlist.Fold(m.Hosts)
	for i, t := range terms {
		terms[i] = CutBytes(t, maxTerm)
	}
	return terms
}

// FitHosts returns the terms of a host list that fit and how many hosts the others stand
// for.
func FitHosts(terms []string, limit int) (shown []string, more int) {
	size := 0
	for i, t := range terms {
		if size += len(t) + 2; size > limit {
			for _, left := range terms[i:] {
				more += hostlist.Count(left)
			}
			return terms[:i], more
		}
	}
	return terms, 0
}

// Link is a button or a line with an address.
type Link struct{ Name, URL string }

// Links returns where people go from the message. What an address does is asked there.
func Links(m *alert.Message) []Link {
	var links []Link
	add := func(name, u string) {
		if u != "" {
			links = append(links, Link{name, u})
		}
	}
	if len(m.Alerts) == 1 && Left(m) == 0 {
		add("Open alert", Page(m))
	} else {
		add("Open alerts", Page(m))
	}
	if m.Status == alert.Firing {
		add("Acknowledge", URL(m.ConfirmURL))
		add("Silence", URL(m.SilenceURL))
	}
	add("Runbook", Runbook(m))
	return links
}
