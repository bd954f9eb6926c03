package slack

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/receivertest"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

func open(t *testing.T, url string) receivertest.Sender {
	t.Helper()
	return New(Config{URL: secret.Text(url), Channel: "#ops"}, receivertest.Client(t))
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, m := range receivertest.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := receivertest.NewSink(t)
			if err := open(t, sink.URL).Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
			checkAll(t, m)
			receivertest.GoldenJSON(t, name+".json", sink.Bodies()...)
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	receivertest.RunHTTP(t, open)
}

// checkAll proves that the payloads keep Slack's limits.
func checkAll(t *testing.T, m *alert.Message) []payload {
	t.Helper()
	all := render(m, "", "")
	for _, p := range all {
		if utf8.RuneCountInString(p.Text) > 4000 {
			t.Error("the text is too long")
		}
		total := 0
		blocks := p.Attachments[0].Blocks
		if len(blocks) > 50 {
			t.Errorf("%d blocks", len(blocks))
		}
		for _, b := range blocks {
			total += checkBlock(t, b)
		}
		if total > 60_000 {
			t.Errorf("%d characters in one message", total)
		}
	}
	return all
}

func checkBlock(t *testing.T, b block) int {
	t.Helper()
	n := 0
	if b.Text != nil {
		n = utf8.RuneCountInString(b.Text.Text)
		if n == 0 || n > 3000 || b.Type == "header" && n > 150 {
			t.Errorf("a %s of %d characters", b.Type, n)
		}
		checkText(t, b.Text)
	}
	if len(b.Fields) > 10 {
		t.Errorf("%d fields", len(b.Fields))
	}
	for _, f := range b.Fields {
		if l := utf8.RuneCountInString(f.Text); l > 2000 {
			t.Errorf("a field of %d characters", l)
		}
		checkText(t, f)
	}
	for _, e := range b.Elements {
		if b, ok := e.(button); ok && (wording.URL(b.URL) != b.URL || len(b.URL) > 3000) {
			t.Errorf("link %q", b.URL)
		}
	}
	return n
}

// checkText fails if the text can mention or link.
func checkText(t *testing.T, o *object) {
	t.Helper()
	if o.Type == "mrkdwn" && strings.ContainsAny(o.Text, "<>") {
		t.Errorf("text %q", o.Text)
	}
	if strings.ContainsAny(o.Text, "\u202e\x1b\x00") {
		t.Errorf("text %q", o.Text)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	checkAll(t, receivertest.Hostile())
	m := receivertest.Hostile()
	m.Alerts = nil
	for range 500 {
		m.Digest = append(m.Digest, alert.DigestLine{Name: m.Title, Severity: m.Severity, Firing: 1})
	}
	checkAll(t, m)
	m.Hosts = []string{strings.Repeat("<", 3000), strings.Repeat("&", 1400), "x"}
	checkAll(t, m)
}

func TestStormNamesAllHosts(t *testing.T) {
	t.Parallel()
	m := receivertest.Storm(10_000)
	all := checkAll(t, m)
	if len(all) > 15 {
		t.Errorf("%d messages", len(all))
	}
	named := 0
	for _, p := range all {
		for _, b := range p.Attachments[0].Blocks {
			if b.Text == nil || !strings.HasSuffix(b.Text.Text, "`") {
				continue
			}
			_, list, _ := strings.Cut(strings.TrimSuffix(b.Text.Text, "`"), "`")
			hosts, err := hostlist.Unfold(list, 100_000)
			if err != nil {
				t.Fatal(err)
			}
			named += len(hosts)
		}
	}
	if named != 10_000 {
		t.Errorf("%d hosts are named", named)
	}
	m = receivertest.Storm(20_000)
	all = checkAll(t, m)
	b, err := json.Marshal(all[len(all)-1])
	if err != nil || len(all) != MaxParts || !strings.Contains(string(b), "and ") || !strings.Contains(string(b), " more") {
		t.Errorf("%d messages", len(all))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	sink := receivertest.NewSink(t, receivertest.Answer{Status: 404, Body: "channel_not_found"})
	err := open(t, sink.URL).Send(context.Background(), receivertest.Firing())
	if err == nil || !strings.Contains(err.Error(), "make a new webhook") {
		t.Error(err)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range receivertest.Nasty {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(max(n, 0), 5000)
		got := cutEscaped(s, n)
		if utf8.RuneCountInString(got) > n || strings.ContainsAny(got, "<>") {
			t.Errorf("%q is %q", s, got)
		}
		plain := strings.NewReplacer("\u2060", "", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(escape(s))
		if !strings.Contains(s, "\u2060") && plain != s {
			t.Errorf("%q is shown as %q", s, plain)
		}
	})
}
