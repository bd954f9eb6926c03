package teams

import (
	"bytes"
	"encoding/json"
	"strings"
)

// envelope is what the Workflow takes.
type envelope struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

// card is an Adaptive Card of version 1.5, as far as it is used here.
type card struct {
	Schema       string    `json:"$schema"`
	Type         string    `json:"type"`
	Version      string    `json:"version"`
	FallbackText string    `json:"fallbackText"`
	MSTeams      msteams   `json:"msteams"`
	Body         []element `json:"body"`
	Actions      []action  `json:"actions,omitempty"`
}

type msteams struct {
	Width string `json:"width"`
}

// element is a Container, RichTextBlock or FactSet.
type element struct {
	Type      string    `json:"type"`
	Style     string    `json:"style,omitempty"`
	Bleed     bool      `json:"bleed,omitempty"`
	Separator bool      `json:"separator,omitempty"`
	Spacing   string    `json:"spacing,omitempty"`
	Items     []element `json:"items,omitempty"`
	Inlines   []run     `json:"inlines,omitempty"`
	Facts     []fact    `json:"facts,omitempty"`
}

// run is a TextRun: text that is shown as it is.
type run struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Size     string `json:"size,omitempty"`
	Weight   string `json:"weight,omitempty"`
	Color    string `json:"color,omitempty"`
	FontType string `json:"fontType,omitempty"`
	IsSubtle bool   `json:"isSubtle,omitempty"`
}

// fact is a line of a FactSet; both are markdown.
type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// action is an Action.OpenUrl.
type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func container(style string, items ...element) element {
	return element{Type: "Container", Style: style, Bleed: style != "", Items: items}
}

func line(runs ...run) element { return element{Type: "RichTextBlock", Inlines: runs} }

func text(s string) run { return run{Type: "TextRun", Text: plain(s)} }

func bold(s string) run {
	r := text(s)
	r.Weight = "Bolder"
	return r
}

func subtle(s string) run {
	r := text(s)
	r.IsSubtle = true
	return r
}

// plain keeps the text from being taken for a function of Adaptive Cards, such as
// {{DATE(…)}}, which are the only thing that is read in a text run.
func plain(s string) string {
	for strings.Contains(s, "{{") {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	return s
}

// marks are the characters that markdown may read wherever they stand.
const marks = "\\`*_[]<~&"

// escape returns one line of text as markdown that shows it as it is. It escapes no more
// than is needed: not every client takes a backslash for what it is.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(marks, s[i]) >= 0 || special(s, i) {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// special tells whether the byte is read as markdown, or as a function of Adaptive Cards,
// where it stands.
func special(s string, i int) bool {
	switch s[i] {
	case '-', '+', '=', '#', '>': // a list, a rule, a heading, a quotation
		return strings.Trim(s[:i], " ") == ""
	case '.', ')': // a numbered list
		ends := i+1 == len(s) || s[i+1] == ' '
		return ends && i > 0 && strings.Trim(s[:i], "0123456789") == ""
	case ':': // an address
		return strings.HasPrefix(s[i:], "://")
	case '{':
		return strings.HasPrefix(s[i+1:], "{")
	}
	return false
}

// encode writes a value as the JSON that is sent: without the escapes that HTML needs.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings, booleans and slices of them: it never fails
	return bytes.TrimRight(b.Bytes(), "\n")
}

// envelop makes the message of a card.
func envelop(c card) []byte {
	return encode(envelope{Type: "message", Attachments: []attachment{{
		ContentType: "application/vnd.microsoft.card.adaptive", Content: c,
	}}})
}

func newCard(title string, body []element, actions []action) card {
	return card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.5",
		FallbackText: plain(title), MSTeams: msteams{Width: "Full"}, Body: body, Actions: actions,
	}
}
