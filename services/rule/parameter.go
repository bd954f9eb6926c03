package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
)

// Parameter is a value of a rule file that the operator may set without changing the
// file: ${name} stands for it in the file's rules.
type Parameter struct {
	Name    string
	Kind    ParameterKind
	Default string
	Value   string // the operator's, or Default
	Unit    string
	Help    string
	Min     string // empty for none
	Max     string
}

// ParameterKind is what a parameter's value may be: what its default is.
type ParameterKind string

// The kinds of parameters.
const (
	ParameterNumber   ParameterKind = "number"
	ParameterDuration ParameterKind = "duration"
	ParameterText     ParameterKind = "text"
)

var (
	parameterFields = []string{"default", "unit", "help", "min", "max"}
	parameterName   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)
	// plainNumber leaves out what Go reads and PromQL does not.
	plainNumber = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	// placeholder finds ${name}, and $${name}, which stands for the text ${name}. What
	// is between the braces of a regular expression's ${1} is no name.
	placeholder = regexp.MustCompile(`\$?\$\{([a-zA-Z][a-zA-Z0-9_]*)\}`)
)

// parameters are those of one file.
type parameters struct {
	list  []Parameter
	value map[string]string
}

func (ps *parameters) names() []string {
	out := make([]string, len(ps.list))
	for i, p := range ps.list {
		out[i] = p.Name
	}
	return out
}

// parameters reads the section of that name and puts in what the operator has set.
func (p *parser) parameters(fields map[string]entry) []Parameter {
	set := p.opt.Parameters[p.name]
	e, ok := fields["parameters"]
	if !ok {
		for _, name := range sortedKeys(set) {
			p.override(name, "this file has no parameters: take the value away, or name the file that it is for")
		}
		return nil
	}
	p.params = &parameters{value: map[string]string{}}
	for _, item := range p.mapping(e.value, "parameters") {
		param, ok := p.parameter(item, join("parameters", item.key))
		if !ok {
			continue
		}
		if v, ok := set[param.Name]; ok {
			v = strings.TrimSpace(v)
			if err := param.check(v); err != nil {
				p.override(param.Name, err.Error())
			} else {
				param.Value = v
			}
		}
		p.params.list = append(p.params.list, param)
		p.params.value[param.Name] = param.Value
	}
	for _, name := range sortedKeys(set) {
		if _, ok := p.params.value[name]; !ok {
			p.override(name, unknownText("parameter", name, p.params.names()))
		}
	}
	return p.params.list
}

// override notes what is wrong with a value that the operator has set.
func (p *parser) override(name, message string) {
	p.problems = append(p.problems, alert.Problem{
		File: p.name, Field: join("parameters", name), Message: "the value set for it: " + message,
	})
}

func (p *parser) parameter(item entry, field string) (Parameter, bool) {
	param := Parameter{Name: item.key}
	if !parameterName.MatchString(item.key) {
		p.problem(item.at, field, "%q is no name of a parameter: use letters, digits and underscores, a letter first", item.key)
		return param, false
	}
	f := p.fields(item.value, field, parameterFields)
	for name, to := range map[string]*string{
		"default": &param.Default, "unit": &param.Unit, "help": &param.Help, "min": &param.Min, "max": &param.Max,
	} {
		if e, ok := f[name]; ok {
			*to, _ = p.text(e.value, join(field, name))
			*to = strings.TrimSpace(*to)
		}
	}
	if _, ok := f["default"]; !ok {
		p.problem(item.at, join(field, "default"), "a parameter needs a default")
		return param, false
	}
	param.Kind, param.Value = kindOf(param.Default), param.Default
	return param, p.checkParameter(param, f, item, field)
}

func (p *parser) checkParameter(param Parameter, f map[string]entry, item entry, field string) bool {
	for name, bound := range map[string]string{"min": param.Min, "max": param.Max} {
		if bound == "" {
			continue
		}
		if param.Kind == ParameterText || kindOf(bound) != param.Kind {
			p.problem(f[name].value, join(field, name), "the default is a %s, and this is none: leave it out or write one", param.Kind)
			return false
		}
	}
	if err := param.check(param.Default); err != nil {
		p.problem(item.at, join(field, "default"), "%v", err)
		return false
	}
	return true
}

func kindOf(text string) ParameterKind {
	if plainNumber.MatchString(text) {
		return ParameterNumber
	}
	if _, err := model.ParseDuration(text); err == nil {
		return ParameterDuration
	}
	return ParameterText
}

// check returns why the parameter cannot have the value, and what it can have.
func (p *Parameter) check(value string) error {
	if p.Kind == ParameterText {
		if value == "" || len(value) > 1024 || strings.ContainsAny(value, "\"'`\n{}") {
			return fmt.Errorf("%q cannot be filled in: write one line without quotes and braces; the default is %q", value, p.Default)
		}
		return nil
	}
	number, ok := p.number(value)
	low, hasLow := p.number(p.Min)
	high, hasHigh := p.number(p.Max)
	if !ok || hasLow && number < low || hasHigh && number > high {
		return fmt.Errorf("%q is not allowed: write a %s%s; the default is %s", value, p.Kind, p.rangeText(), p.Default)
	}
	return nil
}

func (p *Parameter) rangeText() string {
	unit := ""
	if p.Unit != "" {
		unit = " (" + p.Unit + ")"
	}
	switch {
	case p.Min != "" && p.Max != "":
		return " from " + p.Min + " to " + p.Max + unit
	case p.Min != "":
		return " of at least " + p.Min + unit
	case p.Max != "":
		return " of at most " + p.Max + unit
	}
	return unit
}

// number returns the value as a number, a duration in seconds.
func (p *Parameter) number(value string) (float64, bool) {
	if p.Kind == ParameterDuration {
		d, err := model.ParseDuration(value)
		return duration(d).Seconds(), err == nil && value != ""
	}
	if !plainNumber.MatchString(value) {
		return 0, false
	}
	v, err := strconv.ParseFloat(value, 64)
	return v, err == nil
}

// filled returns a value with parameters filled in. Without a section parameters the
// text stays as it is: ${…} means something to Prometheus' functions, too.
func (p *parser) filled(n *yaml.Node, field string) (string, bool) {
	text, ok := p.text(n, field)
	if !ok || p.params == nil {
		return text, ok
	}
	return placeholder.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		name := match[2 : len(match)-1]
		value, ok := p.params.value[name]
		if !ok {
			p.problem(n, field, "%s: %s; write $%s for the text itself", match, unknownText("parameter", name, p.params.names()), match)
		}
		return value
	}), true
}
