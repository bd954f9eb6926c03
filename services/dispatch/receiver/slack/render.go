package slack

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Limits. Slack's own are 50 blocks, 3000 characters in a section, 150 in a header and
// 10 fields of 2000; the total is held below what it takes in practice.
const (
	maxHeader    = 150
	maxSection   = 2900
	maxHostText  = 2800
	maxAlerts    = 15    // in full
	maxAlertText = 12000 // of all alerts, characters
	hostBlocks   = 12    // sections with hosts in one message
	MaxParts     = 20    // messages that one message may become
)

// payload is what an incoming webhook takes.
type payload struct {
	Channel     string       `json:"channel,omitempty"`
	Username    string       `json:"username,omitempty"`
	Text        string       `json:"text"` // for notifications and old clients
	Attachments []attachment `json:"attachments"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
}

type attachment struct {
	Color    string  `json:"color"`
	Fallback string  `json:"fallback"`
	Blocks   []block `json:"blocks"`
}

type block struct {
	Type     string    `json:"type"`
	Text     *object   `json:"text,omitempty"`
	Fields   []*object `json:"fields,omitempty"`
	Elements []any     `json:"elements,omitempty"`
}

type object struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji *bool  `json:"emoji,omitempty"`
}

type button struct {
	Type string  `json:"type"`
	Text *object `json:"text"`
	URL  string  `json:"url"`
}

// escape returns text as Slack shows it as it is: &, < and > are all that make mentions
// and links, and the marks of bold and the like are kept from their work by a word joiner.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
		"*", "\u2060*", "_", "\u2060_", "~", "\u2060~", "`", "\u2060`").Replace(s)
}

// escapeNames escapes less, so that names can be copied: it is for code spans.
func escapeNames(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(s)
}

func mrkdwn(s string) *object { return &object{Type: "mrkdwn", Text: s} }

func plain(s string) *object {
	no := false
	return &object{Type: "plain_text", Text: s, Emoji: &no}
}

// cutEscaped returns the foreign text escaped, with at most so many characters.
func cutEscaped(s string, characters int) string {
	for n := characters; ; n = n * 3 / 4 {
		if e := escape(wording.Cut(s, n)); utf8.RuneCountInString(e) <= characters || n == 0 {
			return e
		}
	}
}

func section(text string) block { return block{Type: "section", Text: mrkdwn(text)} }

// render returns the payloads to post, in order.
func render(m *alert.Message, channel, username string) []payload {
	title := wording.Title(m, maxHeader)
	body := []block{{Type: "header", Text: plain(title)}, section(cutEscaped(wording.Headline(m), maxSection))}
	if text := wording.Text(m.Text); text != "" {
		body = append(body, section(cutEscaped(text, maxSection)))
	}
	if fields := fields(wording.CommonFacts(m, 300)); len(fields) > 0 {
		body = append(body, block{Type: "section", Fields: fields})
	}
	body = append(body, alertBlocks(m)...)
	chunks, more := hostChunks(m)
	if len(chunks) == 0 {
		chunks = [][]string{nil}
	}
	all := make([]payload, len(chunks))
	for i, chunk := range chunks {
		blocks := body
		if i > 0 {
			blocks = body[:1:1]
		}
		blocks = append(blocks[:len(blocks):len(blocks)], hostBlocksOf(m, chunk)...)
		if more > 0 && i == len(chunks)-1 {
			blocks = append(blocks, section(fmt.Sprintf("and %d more", more)))
		}
		if len(chunks) > 1 {
			blocks = append(blocks, block{Type: "context", Elements: []any{mrkdwn(fmt.Sprintf("part %d of %d", i+1, len(chunks)))}})
		}
		if i == 0 {
			blocks = append(blocks, buttons(m)...)
		}
		all[i] = payload{
			Channel: channel, Username: username, Text: cutEscaped(title+" · "+wording.Headline(m), 500),
			Attachments: []attachment{{Color: colour(m), Fallback: cutEscaped(title, 300), Blocks: blocks}},
		}
	}
	return all
}

func colour(m *alert.Message) string {
	switch {
	case m.Kind == alert.MessageTest:
		return "#0b5cad"
	case m.Status == alert.Resolved:
		return "#2e7d32"
	}
	switch wording.Level(m.Severity) {
	case wording.Critical:
		return "#c62828"
	case wording.Info:
		return "#0b5cad"
	}
	return "#ef8f00"
}

func fields(facts []wording.Fact) []*object {
	var all []*object
	for i, f := range facts {
		if i == 10 {
			break
		}
		all = append(all, mrkdwn("*"+cutEscaped(f.Name, 100)+"*\n"+cutEscaped(f.Value, 700)))
	}
	return all
}

// alertBlocks tells as many alerts, or lines of a digest, as fit.
func alertBlocks(m *alert.Message) []block {
	var blocks []block
	shown, all, left := 0, len(m.Digest), maxAlertText
	var lines strings.Builder
	for _, d := range m.Digest {
		line := "• " + cutEscaped(wording.DigestText(d), 300) + "\n"
		if utf8.RuneCountInString(lines.String())+utf8.RuneCountInString(line) > maxSection {
			break
		}
		lines.WriteString(line)
		shown++
	}
	if lines.Len() > 0 {
		blocks = append(blocks, section(strings.TrimRight(lines.String(), "\n")))
	}
	if all == 0 {
		all = m.Firing + m.ResolvedN
		for i := range m.Alerts {
			text := alertText(m, &m.Alerts[i])
			if left -= utf8.RuneCountInString(text); left < 0 || i == maxAlerts {
				break
			}
			blocks = append(blocks, block{Type: "divider"}, section(text))
			shown++
		}
	}
	if all > shown {
		blocks = append(blocks, section(fmt.Sprintf("and %d more", all-shown)))
	}
	return blocks
}

func alertText(m *alert.Message, a *alert.MessageAlert) string {
	var b strings.Builder
	b.WriteString("*" + wording.StatusWord(a.Status) + "* " + cutEscaped(wording.Line(a.Labels.Get(alert.NameLabel)), 150))
	if text := wording.Description(a.Annotations); text != "" {
		b.WriteString("\n" + cutEscaped(text, 500))
	}
	for i, f := range wording.Facts(m, a, 150) {
		if i == 10 {
			break
		}
		b.WriteString("\n*" + cutEscaped(f.Name, 60) + ":* " + cutEscaped(f.Value, 150))
	}
	if spark := wording.Spark(a.Spark, 60); spark != "" {
		b.WriteString("\n`" + spark + "` last hour")
	}
	return b.String()
}

// hostChunks returns the texts of the host list, by message, and how many hosts are in
// none of them.
func hostChunks(m *alert.Message) (chunks [][]string, more int) {
	if !wording.NamesHosts(m) {
		return nil, 0
	}
	var text []string // terms of one section
	size := 0
	flush := func() {
		if len(text) == 0 {
			return
		}
		if n := len(chunks); n == 0 || len(chunks[n-1]) == hostBlocks {
			chunks = append(chunks, nil)
		}
		last := len(chunks) - 1
		chunks[last] = append(chunks[last], hostlist.Join(text))
		text, size = nil, 0
	}
	for _, t := range wording.HostTerms(m) {
		n := utf8.RuneCountInString(escapeNames(t)) + 2
		for n > maxHostText { // characters that are escaped by several
			t = wording.Cut(t, utf8.RuneCountInString(t)/2)
			n = utf8.RuneCountInString(escapeNames(t)) + 2
		}
		if size+n > maxHostText {
			flush()
		}
		if len(chunks) == MaxParts && len(chunks[MaxParts-1]) == hostBlocks {
			more += hostlist.Count(t)
			continue
		}
		text, size = append(text, t), size+n
	}
	flush()
	return chunks, more
}

// hostBlocksOf returns the blocks of one message's host texts.
func hostBlocksOf(m *alert.Message, texts []string) []block {
	var blocks []block
	for i, t := range texts {
		head := ""
		if i == 0 {
			head = fmt.Sprintf("*Hosts (%d)*\n", len(m.Hosts))
		}
		blocks = append(blocks, section(head+"`"+escapeNames(t)+"`"))
	}
	return blocks
}

func buttons(m *alert.Message) []block {
	b := block{Type: "actions"}
	for _, l := range wording.Links(m) {
		b.Elements = append(b.Elements, button{Type: "button", Text: plain(l.Name), URL: l.URL})
	}
	if len(b.Elements) == 0 {
		return nil
	}
	return []block{b}
}
