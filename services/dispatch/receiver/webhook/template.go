package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/hostlist"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Limits of what a template may do.
const (
	maxOutput = 4 << 20
	maxString = 1 << 20 // that a function returns
	maxSteps  = 200_000 // rounds of loops and calls of templates
)

// body is a template that was read.
type body struct{ t *template.Template }

var (
	errTooLong = fmt.Errorf("the template writes more than %d bytes", maxOutput)
	errSteps   = fmt.Errorf("the template does more than %d steps", maxSteps)
)

// stepName is the function that counts: it is called in each loop and template.
const stepName = "_step"

// parseBody reads the template. It may use the named ones.
func parseBody(text string, named map[string]string) (*body, error) {
	t := template.New("template").Option("missingkey=zero").Funcs(functions(new(int)))
	for name, content := range named {
		if _, err := t.New(name).Parse(content); err != nil {
			return nil, fmt.Errorf("read the template %s: %w", name, err)
		}
	}
	if _, err := t.Parse(text); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	step, err := template.New("").Funcs(functions(new(int))).Parse("{{" + stepName + "}}")
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	for _, each := range t.Templates() {
		if each.Tree != nil {
			countSteps(each.Root, step.Root.Nodes[0])
			each.Root.Nodes = append([]parse.Node{step.Root.Nodes[0].Copy()}, each.Root.Nodes...)
		}
	}
	return &body{t}, nil
}

// countSteps puts the step into each loop of the list.
func countSteps(list *parse.ListNode, step parse.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.RangeNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
			if n.List != nil {
				n.List.Nodes = append([]parse.Node{step.Copy()}, n.List.Nodes...)
			}
		case *parse.IfNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
		case *parse.WithNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
		}
	}
}

// execute writes the body for a payload.
func (b *body) execute(p *Payload) ([]byte, error) {
	t, err := b.t.Clone()
	if err != nil {
		return nil, fmt.Errorf("copy the template: %w", err)
	}
	out := &limited{}
	if err := t.Funcs(functions(new(int))).Execute(out, p); err != nil {
		return nil, fmt.Errorf("execute: %w", err)
	}
	return out.Bytes(), nil
}

// limited is a buffer that takes no more than maxOutput.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}

// functions returns what templates may call. Those that make text are bounded, so that
// no chain of them fills the memory.
func functions(steps *int) template.FuncMap {
	return template.FuncMap{
		stepName: func() (string, error) {
			if *steps++; *steps > maxSteps {
				return "", errSteps
			}
			return "", nil
		},
		"json":     toJSON,
		"toJson":   toJSON,
		"toUpper":  strings.ToUpper,
		"toLower":  strings.ToLower,
		"trim":     strings.TrimSpace,
		"join":     func(sep string, s []string) (string, error) { return bounded(strings.Join(s, sep)) },
		"replace":  func(old, with, s string) (string, error) { return replace(s, old, with) },
		"line":     wording.Line,
		"cut":      func(n int, s string) string { return wording.Cut(s, n) },
		"value":    wording.Value,
		"fold":     func(hosts []string) string { return hostlist.Join(hostlist.Fold(hosts)) },
		"print":    func(a ...any) (string, error) { return sprint(fmt.Sprint, a...) },
		"println":  func(a ...any) (string, error) { return sprint(fmt.Sprintln, a...) },
		"printf":   printf,
		"html":     func(a ...any) (string, error) { return bounded(template.HTMLEscaper(a...)) },
		"js":       func(a ...any) (string, error) { return bounded(template.JSEscaper(a...)) },
		"urlquery": func(a ...any) (string, error) { return bounded(template.URLQueryEscaper(a...)) },
	}
}

func bounded(s string) (string, error) {
	if len(s) > maxString {
		return "", fmt.Errorf("a text of %d bytes; the limit is %d", len(s), maxString)
	}
	return s, nil
}

func sprint(f func(...any) string, a ...any) (string, error) { return bounded(f(a...)) }

func printf(format string, a ...any) (string, error) {
	if len(format) > 4096 {
		return "", errors.New("the format of printf has more than 4096 bytes")
	}
	return bounded(fmt.Sprintf(format, a...))
}

func replace(s, old, with string) (string, error) {
	if n := strings.Count(s, old); len(s)+n*len(with) > maxString+n*len(old) {
		return "", errTooLong
	}
	return strings.ReplaceAll(s, old, with), nil
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return bounded(strings.TrimSuffix(b.String(), "\n"))
}

// CheckTemplate tells whether the template can be read and does its work for a message
// like those to come.
func (c *Config) CheckTemplate(named map[string]string) error {
	if c.Template == "" {
		return nil
	}
	b, err := parseBody(c.Template, named)
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	if _, err := c.write(b, NewPayload(sample())); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	return nil
}

func sample() *alert.Message {
	return &alert.Message{
		ID: "1", Receiver: "receiver", Kind: alert.MessageTest, Status: alert.Firing, Title: `A "title"`, Text: "Two\nlines", Severity: "warning",
		Time: 1_770_000_000_000, Order: "1", Firing: 1, Hosts: []string{"host-1"},
		Alerts: []alert.MessageAlert{{Key: "1", Status: alert.Firing, Value: 1, Fired: 1_770_000_000_000}},
	}
}
