package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
)

// maxProblems is how many problems of a file are told; more help nobody.
const maxProblems = 100

var fileFields = []string{"parameters", "groups"}

// yamlLine finds the line in an error of the YAML library.
var yamlLine = regexp.MustCompile(`^line (\d+): `)

// Parse reads a rule file. The name is that below the configuration directory; it is
// part of the ids of groups and rules. There is a file or there are problems.
func Parse(name string, content []byte, opt Options) (*File, Problems) {
	p := &parser{name: name, opt: opt.withDefaults(), ids: map[string]int{}}
	switch {
	case strings.ContainsAny(name, ";\n"):
		p.problem(nil, "", "the name of the file must not contain a semicolon: it separates the parts of ids")
	case len(content) > p.opt.Limits.FileBytes:
		p.problem(nil, "", "the file has %d bytes; the limit is %d: split it", len(content), p.opt.Limits.FileBytes)
	default:
		if f := p.file(content); len(p.problems) == 0 {
			return f, nil
		}
	}
	return nil, p.problems
}

// parser reads one file.
type parser struct {
	name     string
	opt      Options
	problems Problems
	nodes    int            // values seen, against Limits.Nodes
	rules    int            // rules seen, against Limits.Rules
	ids      map[string]int // how often a rule's id came
	params   *parameters    // nil if the file has none: then nothing is filled in
}

// problem notes that something is wrong at the node, if there is one.
func (p *parser) problem(n *yaml.Node, field, format string, args ...any) {
	if len(p.problems) >= maxProblems {
		return
	}
	pr := alert.Problem{File: p.name, Field: field, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		pr.Line, pr.Column = n.Line, n.Column
	}
	p.problems = append(p.problems, pr)
}

func (p *parser) file(content []byte) *File {
	f := &File{Name: p.name}
	root, ok := p.document(content)
	if !ok {
		return nil
	}
	var fields map[string]entry
	if root != nil {
		fields = p.fields(root, "", fileFields)
	}
	f.Parameters = p.parameters(fields)
	if e, ok := fields["groups"]; ok {
		f.Groups = p.groups(e.value)
	}
	return f
}

// document returns what the file holds; nil if it is empty.
func (p *parser) document(content []byte) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, true
	} else if err != nil {
		p.syntax(err)
		return nil, false
	}
	if !p.nothingMore(dec) {
		return nil, false
	}
	if emptyDocument(&doc) {
		return nil, true
	}
	return doc.Content[0], true
}

// nothingMore tells whether no further document holds groups: Prometheus passes over
// all but the first, and rules that are not evaluated must not go unnoticed.
func (p *parser) nothingMore(dec *yaml.Decoder) bool {
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			p.syntax(err)
			return false
		}
		var file struct{ Groups []yaml.Node }
		if err := doc.Decode(&file); err != nil || len(file.Groups) > 0 {
			p.problem(&doc, "", "a second YAML document: only the first one would count; put it into a file of its own")
			return false
		}
	}
}

func emptyDocument(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || isNull(doc.Content[0])
}

func (p *parser) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var at *yaml.Node
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1]) // digits; 0 if they are too many
		at, text = &yaml.Node{Line: line}, text[len(m[0]):]
	}
	p.problem(at, "", "not valid YAML: %s", text)
}
