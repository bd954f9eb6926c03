package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/template"
	"time"
)

// Limits of templates. What they allow takes milliseconds.
const (
	maxTemplateBytes = 64 << 10 // of the text
	maxOutputBytes   = 64 << 10 // of what it yields, and of any value in between
	maxWork          = 4 << 20  // bytes read and written by functions; states times bytes of regular expressions
	maxSteps         = 100_000  // actions executed
	maxDepth         = 100      // templates that call each other
	maxRegexBytes    = 4 << 10  // of the text of a regular expression
	maxQueries       = 20       // queries of one expansion
	maxQuerySamples  = 10_000   // of one query
	loopCost         = 3        // steps of going round a loop
	comparisonCost   = 20       // steps of comparing, for the values may be long
)

// templateVariables are put before every template, as Prometheus does.
const templateVariables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// TemplateName returns the name of the templates of an alert; it stands in messages.
func TemplateName(alert string) string { return "__alert_" + alert }

// Data is what a template is expanded with.
type Data struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string // of the dashboard
	Value          float64
	// Query evaluates PromQL at the time Now; nil makes the function query fail.
	Query func(ctx context.Context, expr string) ([]Sample, error)
	Now   time.Time
}

// Sample is what a query yields. The labels include __name__.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Template is the text of a label or an annotation, in the language that Prometheus
// has for it. It may be expanded by many goroutines at once.
//
// Whoever writes one may not be able to harm the server: an expansion is bounded in
// what it writes, computes, queries and calls, and ends with its context.
type Template struct {
	name string
	text string // yielded as it is, if there is nothing to expand
	// runs are *run that are ready: binding the functions to one takes longer than
	// most expansions.
	runs sync.Pool
}

// NewTemplate reads a template.
func NewTemplate(name, text string) (*Template, error) {
	t := &Template{name: name, text: text}
	if !strings.Contains(text, "{{") {
		return t, nil
	}
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("the template has %d bytes; the limit is %d", len(text), maxTemplateBytes)
	}
	parsed, err := template.New(name).Funcs((&run{}).funcs()).Option("missingkey=zero").Parse(templateVariables + text)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the template, the line and what is wrong
	}
	if err := countSteps(parsed); err != nil {
		return nil, err
	}
	t.runs.New = func() any {
		r := &run{}
		clone, err := parsed.Clone()
		if err != nil { // only after an execution, and parsed is never executed
			r.broken = err
			return r
		}
		r.template = clone.Funcs(r.funcs()).Funcs(r.limitFuncs())
		return r
	}
	return t, nil
}

// Expand returns the text. If that fails the text says so, as Prometheus has it, and
// the error is returned, too.
func (t *Template) Expand(ctx context.Context, data Data) (string, error) {
	if t.runs.New == nil {
		return t.text, nil
	}
	r, _ := t.runs.Get().(*run)
	text, err := r.expand(ctx, t.name, data)
	t.runs.Put(r)
	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err), err
	}
	return text, nil
}

// templateData is what the templates of Prometheus see as the dot. It has no name
// because Prometheus' has none: messages name it.
type templateData = struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string
	Value          any
}

// run is one expansion after the other.
type run struct {
	template *template.Template
	broken   error

	ctx     context.Context //nolint:containedctx // the functions of a template get none
	data    Data
	out     strings.Builder
	steps   int
	work    int
	depth   int
	queries int
	regexes map[string]regex
}

func (r *run) expand(ctx context.Context, name string, data Data) (text string, err error) {
	if r.broken != nil {
		return "", fmt.Errorf("error executing template %s: %w", name, r.broken)
	}
	*r = run{template: r.template, ctx: ctx, data: data}
	defer func() {
		if p := recover(); p != nil { // a function of a library may; the alert matters more
			text, err = "", fmt.Errorf("panic expanding template %s: %v", name, p)
		}
		r.ctx, r.data, r.out = nil, Data{}, strings.Builder{}
	}()
	err = r.template.Execute(r, templateData{data.Labels, data.ExternalLabels, data.ExternalURL, data.Value})
	if limit, ok := errors.AsType[limitError](err); ok {
		err = limit // where in the template it was met says less than what it was
	}
	if err != nil {
		return "", fmt.Errorf("error executing template %s: %w", name, err)
	}
	return r.out.String(), nil
}

// Write implements io.Writer.
func (r *run) Write(b []byte) (int, error) {
	if r.out.Len()+len(b) > maxOutputBytes {
		return 0, limitError(fmt.Sprintf("it yields more than %d bytes", maxOutputBytes))
	}
	return r.out.Write(b)
}
