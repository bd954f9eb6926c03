package email

import (
	_ "embed" // the template
	"fmt"
	"html/template"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Limits of a mail, in bytes.
const (
	maxText  = 1 << 20
	maxHosts = 800_000
)

//go:embed mail.html.tmpl
var mailTemplate string

// page is what the template shows. All text of it was made harmless; the template
// escapes it for HTML.
type page struct {
	Title, Headline, Colour, Text string
	Facts                         []wording.Fact
	Alerts                        []row
	Digest                        []string
	Left                          int
	Hosts                         string
	HostCount                     int
	Links                         []wording.Link
}

type row struct {
	Status, Colour, Name, Text, Spark, URL string
	Facts                                  []wording.Fact
}

const (
	red   = "#c62828"
	amber = "#b26a00"
	green = "#2e7d32"
	blue  = "#0b5cad"
)

func colour(m *alert.Message) string {
	switch {
	case m.Kind == alert.MessageTest:
		return blue
	case m.Status == alert.Resolved:
		return green
	}
	switch wording.Level(m.Severity) {
	case wording.Critical:
		return red
	case wording.Info:
		return blue
	}
	return amber
}

// renderHTML returns the body as HTML.
func renderHTML(t *template.Template, m *alert.Message) (string, error) {
	p := page{
		Title: wording.Title(m, 300), Headline: wording.Headline(m), Colour: colour(m), Text: wording.Cut(wording.Text(m.Text), 10_000),
		Facts: wording.CommonFacts(m, 500), Links: wording.Links(m), HostCount: len(m.Hosts), Left: wording.Left(m),
	}
	if len(p.Facts) > 20 {
		p.Facts = p.Facts[:20]
	}
	for i := range m.Alerts {
		p.Alerts = append(p.Alerts, rowOf(m, &m.Alerts[i]))
	}
	if len(m.Digest) > 0 {
		p.Alerts, p.Left = nil, 0
	}
	for i, d := range m.Digest {
		if i == 200 {
			p.Left = len(m.Digest) - i
			break
		}
		p.Digest = append(p.Digest, wording.DigestText(d))
	}
	if wording.NamesHosts(m) {
		shown, more := wording.FitHosts(wording.HostTerms(m), maxHosts)
		if p.Hosts = hostlist.Join(shown); more > 0 {
			p.Hosts += fmt.Sprintf(" and %d more", more)
		}
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return "", fmt.Errorf("write HTML: %w", err)
	}
	return b.String(), nil
}

func rowOf(m *alert.Message, a *alert.MessageAlert) row {
	r := row{
		Status: wording.StatusWord(a.Status), Colour: red, Name: wording.Cut(wording.Line(a.Labels.Get(alert.NameLabel)), 200),
		Text: wording.Cut(wording.Description(a.Annotations), 2000), Spark: wording.Spark(a.Spark, 60), URL: wording.URL(a.URL),
		Facts: wording.Facts(m, a, 500),
	}
	if a.Status == alert.Resolved {
		r.Colour = green
	}
	if len(r.Facts) > 30 {
		r.Facts = r.Facts[:30]
	}
	return r
}
