package teams

import (
	"fmt"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Limits of what is sent, in bytes of JSON.
const (
	MaxBytes    = 28_000       // Teams takes 28 kB
	maxHead     = MaxBytes / 2 // title, text, common facts and buttons
	maxDetailed = 16_000       // with the alerts, if the hosts do not fit into one message
	moreBytes   = 200          // kept for the line that says how many are left out
	partBytes   = 40           // kept for "part 12 of 17"
	MaxParts    = 20           // messages that one message may become
)

// measure is how much is shown; each is tried until one fits.
type measure struct{ text, lines, facts, value int }

var measures = []measure{{2000, 20, 10, 300}, {600, 8, 8, 150}, {200, 3, 4, 80}, {0, 0, 0, 0}}

// Render returns the payloads to post, in order: one, or several if the names of the
// hosts take more space. The same message gives the same payloads.
func Render(m *alert.Message) [][]byte {
	title := wording.Title(m, 250)
	actions := actionsOf(m)
	head := headOf(m, title, actions)
	free := MaxBytes - partBytes - size(title, head, actions)
	terms := hostTerms(m)
	hosts := hostsSize(terms)
	if alerts := alertsOf(m, free-hosts); hosts <= free && (hosts <= free/3 || complete(m, alerts)) {
		body := append(head, alerts.elements...)
		if len(terms) > 0 {
			body = append(body, hostBlock(len(m.Hosts), terms, 0))
		}
		return [][]byte{envelop(newCard(title, body, actions))}
	}
	alerts := alertsOf(m, maxDetailed-(MaxBytes-free))
	return split(m, title, append(head, alerts.elements...), actions, terms)
}

// size returns how many bytes a message with that body has.
func size(title string, body []element, actions []action) int {
	return len(envelop(newCard(title, body, actions)))
}

// headOf returns what a card begins with, in the largest measure that fits.
func headOf(m *alert.Message, title string, actions []action) []element {
	var head []element
	for _, ms := range measures {
		head = []element{banner(m, title, wording.Headline(m))}
		head = append(head, paragraphs(wording.Cut(wording.Text(m.Text), ms.text), ms.lines)...)
		if facts := factSet(wording.CommonFacts(m, max(ms.value, 1)), ms.facts); len(facts.Facts) > 0 {
			head = append(head, facts)
		}
		if size(title, head, actions) <= maxHead {
			break
		}
	}
	return head
}

// banner is the coloured bar at the top.
func banner(m *alert.Message, title, headline string) element {
	t := bold(title)
	t.Size = "Large"
	return container(styleOf(m), line(t), line(text(headline)))
}

// styleOf returns the colour of a message.
func styleOf(m *alert.Message) string {
	switch {
	case m.Kind == alert.MessageTest:
		return "accent"
	case m.Status == alert.Resolved:
		return "good"
	}
	switch wording.Level(m.Severity) {
	case wording.Critical:
		return "attention"
	case wording.Info:
		return "accent"
	}
	return "warning"
}

// paragraphs returns a text of several lines, each a block of its own.
func paragraphs(s string, limit int) []element {
	if s == "" || limit < 1 {
		return nil
	}
	var blocks []element
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if l == "" {
			continue
		}
		if len(blocks) == limit-1 && i < len(lines)-1 {
			return append(blocks, line(text(l+" …")))
		}
		b := line(text(l))
		if i > 0 && lines[i-1] != "" {
			b.Spacing = "None"
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func factSet(facts []wording.Fact, limit int) element {
	e := element{Type: "FactSet"}
	for i, f := range facts {
		if i == limit {
			break
		}
		e.Facts = append(e.Facts, fact{escape(f.Name), escape(f.Value)})
	}
	return e
}

func actionsOf(m *alert.Message) []action {
	var actions []action
	for _, l := range wording.Links(m) {
		actions = append(actions, action{"Action.OpenUrl", l.Name, l.URL})
	}
	return actions
}

// told is which alerts a card has.
type told struct {
	elements []element
	left     int // alerts, or lines of a digest, that are not in it
}

func complete(m *alert.Message, t told) bool { return t.left <= wording.Left(m) }

// alertsOf returns as many alerts, or lines of a digest, as fit into so many bytes.
func alertsOf(m *alert.Message, limit int) told {
	limit -= moreBytes
	var t told
	add := func(e element) bool {
		n := len(encode(e)) + 1
		if n > limit {
			return false
		}
		limit -= n
		t.elements = append(t.elements, e)
		return true
	}
	shown, all := 0, len(m.Digest)
	for shown < len(m.Digest) && add(digestLine(m.Digest[shown], shown == 0)) {
		shown++
	}
	if all == 0 {
		all = m.Firing + m.ResolvedN
		for shown < len(m.Alerts) && addAlert(m, shown, limit, add) {
			shown++
		}
	}
	if t.left = max(0, all-shown); t.left > 0 {
		t.elements = append(t.elements, line(subtle(fmt.Sprintf("and %d more", t.left))))
	}
	return t
}

// addAlert adds an alert in the largest measure of which a few would fit.
func addAlert(m *alert.Message, i, limit int, add func(element) bool) bool {
	for _, ms := range measures {
		e := alertBlock(m, &m.Alerts[i], ms)
		if ms.facts > 0 && len(encode(e)) > max(limit/2, 3000) {
			continue
		}
		return add(e)
	}
	return false
}

func alertBlock(m *alert.Message, a *alert.MessageAlert, ms measure) element {
	status := bold(wording.StatusWord(a.Status))
	status.Color = "Attention"
	if a.Status == alert.Resolved {
		status.Color = "Good"
	}
	name := wording.Cut(wording.Line(a.Labels.Get(alert.NameLabel)), 150)
	if host := wording.Host(a.Labels); host != "" {
		name += " · " + wording.Cut(wording.Line(host), 150)
	}
	e := container("", line(status, bold(" "+name)))
	e.Separator = true
	e.Items = append(e.Items, paragraphs(wording.Cut(wording.Description(a.Annotations), ms.text/4), ms.lines/2)...)
	if facts := factSet(wording.Facts(m, a, max(ms.value, 1)), ms.facts); len(facts.Facts) > 0 {
		e.Items = append(e.Items, facts)
	}
	if spark := wording.Spark(a.Spark, 60); spark != "" && ms.facts > 0 {
		curve := text(spark)
		curve.FontType = "Monospace"
		e.Items = append(e.Items, line(curve, subtle(" last hour")))
	}
	return e
}

func digestLine(d alert.DigestLine, first bool) element {
	e := line(text(wording.DigestText(d)))
	e.Separator = first
	if !first {
		e.Spacing = "Small"
	}
	return e
}

// hostTerms returns the hosts to name: none if the only one stands with its alert.
func hostTerms(m *alert.Message) []string {
	if !wording.NamesHosts(m) {
		return nil
	}
	terms := wording.HostTerms(m)
	for i, t := range terms {
		terms[i] = plain(t)
	}
	return terms
}

// hostBlock names the hosts of the terms, of so many in all.
func hostBlock(all int, terms []string, more int) element {
	names := hostlist.Join(terms)
	if more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	e := line(bold(fmt.Sprintf("Hosts (%d): ", all)), text(names))
	e.Separator = true
	return e
}

// hostsSize returns how many bytes the block of all terms takes at most.
func hostsSize(terms []string) int {
	if len(terms) == 0 {
		return 0
	}
	n := hostOverhead
	for _, t := range terms {
		n += termSize(t)
	}
	return n
}

// hostOverhead is the size of a block of hosts without its terms, at most.
var hostOverhead = len(encode(hostBlock(1_000_000_000, nil, 1_000_000_000))) + 1

// termSize returns how many bytes a term takes in a list.
func termSize(t string) int { return len(encode(t)) - len(`""`) + len(", ") }
