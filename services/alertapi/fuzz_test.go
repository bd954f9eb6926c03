package alertapi

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/rule"
)

// A token is either one of the list or refused; one that was made is read as it was.
func FuzzCursor(f *testing.F) {
	f.Add("", int64(0), "")
	f.Add(cursor{"alerts", []int64{1, 2, 3}, []string{"k"}}.token(), int64(-5), "a\x00\xff")
	f.Add("e30", int64(1), "x")
	f.Add("eyJmIjoiYWxlcnRzIiwibiI6WzEsMiwzXSwicyI6WyJcdTAwMDAiXX0", int64(1), "x")
	f.Fuzz(func(t *testing.T, token string, n int64, text string) {
		c, err := parseCursor(token, "alerts", 3, 1)
		switch {
		case err != nil:
			if fault.ReasonOf(err) != "page_token_invalid" {
				t.Errorf("%v", err)
			}
		case c == nil:
			if token != "" {
				t.Errorf("no cursor for %q", token)
			}
		case len(c.N) != 3 || len(c.S) != 1 || containsNUL(c.S[0]):
			t.Errorf("%+v", c)
		}
		text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
		made := cursor{"x", []int64{n}, []string{text}}.token()
		if len(made) > maxCursor {
			return
		}
		again, err := parseCursor(made, "x", 1, 1)
		if err != nil || again.N[0] != n || again.S[0] != text {
			t.Errorf("%d %q: read as %+v, %v", n, text, again, err)
		}
	})
}

// Places in problems are within the text, and what is read has a text of its own that
// gives the same.
func FuzzSnippet(f *testing.F) {
	for _, text := range []string{
		"", "alert: A\nexpr: up\n", "- alert: A\n  expr: up ==\n", "groups:\n- name: a\n  rules:\n  - alert: B\n    expr: up\n", "name: g\nrules: [{record: a, expr: up}]",
		"- name: g\n  rules:\n  -\n   alert: A\n   expr: |2\n\n      up\n", "---\n# x\nalert: A\n", "{alert: A, expr: up}", "[", "a: &a [*a]", "\ufeffalert: A", "- - - a", "%YAML 1.2\n---\nalert: A", "\t", "alert: \"A\n\n b\"\nexpr: up",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		file, problems := parseText("f", text, rule.Options{})
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029")
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines+2 || p.Column < 0 {
				t.Errorf("%q: a problem at %d:%d: %s", text, p.Line, p.Column, p.Message)
			}
		}
		if (file == nil) == (len(problems) == 0) {
			t.Fatalf("%q: file %v, problems %v", text, file, problems)
		}
		if file == nil {
			return
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				_ = ruleText([]byte(text), r)
			}
		}
	})
}
