package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/yuin/goldmark"
	"golang.org/x/net/html"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("testdata/schema/adaptive-card-1.5.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("card.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("card.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check proves what holds for every payload and returns its card.
func check(t *testing.T, s *jsonschema.Schema, payload []byte) envelope {
	t.Helper()
	if len(payload) > MaxBytes {
		t.Errorf("a payload of %d bytes", len(payload))
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		t.Fatalf("not valid JSON: %v", err)
	}
	c := doc.(map[string]any)["attachments"].([]any)[0].(map[string]any)["content"].(map[string]any)
	delete(c, "msteams") // Teams' own addition
	if err := s.Validate(c); err != nil {
		t.Errorf("not a valid card: %v", err)
	}
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Fatal(err)
	}
	for _, r := range runs(e.Attachments[0].Content.Body) {
		if strings.Contains(r.Text, "{{") || strings.ContainsAny(r.Text, "\u202e\u2066\x1b\x00") {
			t.Errorf("text %q", r.Text)
		}
	}
	for _, a := range e.Attachments[0].Content.Actions {
		if wording.URL(a.URL) != a.URL {
			t.Errorf("link %q", a.URL)
		}
	}
	return e
}

func runs(body []element) []run {
	var all []run
	for _, e := range body {
		all = append(all, e.Inlines...)
		all = append(all, runs(e.Items)...)
	}
	return all
}

// hosts returns the hosts that the payloads name.
func hosts(t *testing.T, payloads []envelope) []string {
	t.Helper()
	var names []string
	for _, p := range payloads {
		for _, e := range p.Attachments[0].Content.Body {
			if len(e.Inlines) == 2 && strings.HasPrefix(e.Inlines[0].Text, "Hosts (") {
				list, _, _ := strings.Cut(e.Inlines[1].Text, " and ")
				got, err := hostlist.Unfold(list, 1_000_000)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, got...)
			}
		}
	}
	return names
}

func TestGolden(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for name, m := range receivertest.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payloads := Render(m)
			for _, p := range payloads {
				check(t, s, p)
			}
			receivertest.GoldenJSON(t, name+".json", payloads...)
		})
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := schema(t)
	c := newCard("x", []element{{Type: "RichTextBlock", Inlines: []run{{Type: "TextRun", Text: "x", Size: "Gigantic"}}}}, nil)
	var doc any
	if err := json.Unmarshal(encode(c), &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc.(map[string]any), "msteams")
	if err := s.Validate(doc); err == nil {
		t.Error("a wrong card is valid")
	}
}

func TestStormNamesAllHosts(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for _, n := range []int{1, 2, 700, 10_000} {
		m := receivertest.Storm(n)
		var parts []envelope
		for _, p := range Render(m) {
			parts = append(parts, check(t, s, p))
		}
		if len(parts) > 17 {
			t.Errorf("%d messages for %d hosts", len(parts), n)
		}
		got := hosts(t, parts)
		slices.Sort(got)
		if !slices.Equal(got, m.Hosts) {
			t.Errorf("%d of %d hosts are named", len(got), n)
		}
	}
}

func TestTooManyHostsAreCounted(t *testing.T) {
	t.Parallel()
	s := schema(t)
	m := receivertest.Storm(20_000)
	payloads := Render(m)
	if len(payloads) != MaxParts {
		t.Fatalf("%d messages", len(payloads))
	}
	var parts []envelope
	for _, p := range payloads {
		parts = append(parts, check(t, s, p))
	}
	named := len(hosts(t, parts))
	if !bytes.Contains(payloads[MaxParts-1], []byte(" and "+strconv.Itoa(20_000-named)+" more")) || named < 13_000 {
		t.Errorf("%d hosts are named; the last message does not count the others", named)
	}
}

func TestHostileTextIsShownAsItIs(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for _, m := range []*alert.Message{receivertest.Hostile(), hugeDigest()} {
		payloads := Render(m)
		for _, p := range payloads {
			e := check(t, s, p)
			for _, f := range facts(e.Attachments[0].Content.Body) {
				literal(t, f.Title)
				literal(t, f.Value)
			}
		}
		if len(payloads) > 3 {
			t.Errorf("%d messages", len(payloads))
		}
	}
}

func hugeDigest() *alert.Message {
	m := receivertest.Hostile()
	m.Alerts = nil
	for range 500 {
		m.Digest = append(m.Digest, alert.DigestLine{Name: m.Title, Severity: m.Severity, Firing: 1})
	}
	return m
}

func facts(body []element) []fact {
	var all []fact
	for _, e := range body {
		all = append(all, e.Facts...)
		all = append(all, facts(e.Items)...)
	}
	return all
}

// literal fails if markdown makes anything but text of the text.
func literal(t *testing.T, md string) string {
	t.Helper()
	var out bytes.Buffer
	if err := goldmark.Convert([]byte(md), &out); err != nil {
		t.Fatal(err)
	}
	node, err := html.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for n := range node.Descendants() {
		switch {
		case n.Type == html.TextNode:
			text.WriteString(n.Data)
		case n.Type == html.ElementNode && !slices.Contains([]string{"html", "head", "body", "p"}, n.Data):
			t.Errorf("%q becomes <%s>", md, n.Data)
		}
	}
	return strings.TrimSpace(text.String())
}

func FuzzEscape(f *testing.F) {
	for _, s := range receivertest.Nasty {
		f.Add(s)
	}
	f.Add("1. a")
	f.Add("===")
	f.Add("&amp; \\* http://x.example")
	f.Fuzz(func(t *testing.T, s string) {
		s = wording.Line(s)
		if got := literal(t, escape(s)); got != s {
			t.Errorf("%q is shown as %q", s, got)
		}
	})
}

func FuzzRender(f *testing.F) {
	f.Add("title", "text", "host", 3)
	f.Fuzz(func(t *testing.T, title, text, host string, n int) {
		n = max(n, 0)
		m := receivertest.Several()
		m.Title, m.Text, m.Hosts = strings.Repeat(title, n%50), strings.Repeat(text, n%500), append(m.Hosts, strings.Repeat(host, n%5000))
		m.CommonLabels["owner"] = text
		for i := range m.Alerts {
			m.Alerts[i].Annotations["description"] = text
		}
		for _, p := range Render(m) {
			if len(p) > MaxBytes {
				t.Fatalf("%d bytes", len(p))
			}
		}
	})
}

func open(t *testing.T, url string) receivertest.Sender {
	t.Helper()
	return New(Config{URL: secret.Text(url)}, receivertest.Client(t))
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	receivertest.RunHTTP(t, open)
}

func TestWorkflowThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	const off = `{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"Could not execute workflow trigger 'manual' with state 'Disabled'."}}`
	for _, tt := range []struct {
		answer receivertest.Answer
		says   string
		again  bool
	}{
		{receivertest.Answer{Status: 400, Body: off}, "turns it on in Power Automate", false},
		{receivertest.Answer{Status: 404, Body: `{"error":{"code":"WorkflowNotFound"}}`}, "make a new one in Teams", false},
		{receivertest.Answer{Status: 410}, "make a new one in Teams", false},
		{receivertest.Answer{Status: 401, Body: `{"error":{"code":"DirectApiAuthorizationRequired"}}`}, "copy the whole URL again", false},
		{receivertest.Answer{Status: 200, Body: "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"}, "did not post", true},
	} {
		sink := receivertest.NewSink(t, tt.answer)
		err := open(t, sink.URL).Send(context.Background(), receivertest.Firing())
		e, ok := errors.AsType[*outbound.Error](err)
		if !ok || e.Permanent == tt.again || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v gives %v", tt.answer, err)
		}
	}
}

func TestPartsThatWereTakenAreNotSentAgain(t *testing.T) {
	t.Parallel()
	m := receivertest.Storm(3000)
	want := Render(m)
	sink := receivertest.NewSink(t, receivertest.Answer{Status: 202}, receivertest.Answer{Status: 202},
		receivertest.Answer{Status: 429}, receivertest.Answer{Status: 202})
	r := open(t, sink.URL)
	if err := r.Send(context.Background(), m); err == nil {
		t.Fatal("no error")
	}
	if err := r.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	got := sink.Requests()
	if len(got) != len(want)+1 {
		t.Fatalf("%d requests for %d parts", len(got), len(want))
	}
	got = append(got[:2:2], got[3:]...) // without the one that was refused
	for i, r := range got {
		if !bytes.Equal(r.Body, want[i]) {
			t.Errorf("request %d is not part %d", i, i)
		}
	}
	if k := got[2].Header.Get("Idempotency-Key"); k != m.ID+"-3" {
		t.Errorf("key %q", k)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"": "missing", "ftp://x": "no URL", "https://corp.webhook.office.com/webhookb2/x": "has ended", "https://prod.logic.azure.com/x": "",
	} {
		c := Config{URL: secret.Text(url)}
		err := c.Validate()
		if says == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
