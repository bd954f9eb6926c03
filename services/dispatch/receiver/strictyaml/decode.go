package strictyaml

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/esolutions/esmon/services/alert"
)

// Limits of a file.
const (
	maxBytes    = 4 << 20
	maxProblems = 100
	maxDepth    = 100
)

// NodeDecoder is a type that reads itself.
type NodeDecoder interface {
	// DecodeNode takes the value, or calls Problem of the node.
	DecodeNode(n Node)
}

// Document is a file that was read: the places of its fields and what is wrong.
type Document struct {
	name     string
	places   map[string]place
	problems []alert.Problem
}

type place struct{ line, column int }

// Decode reads the content into the struct that into points to. The name is that of the
// file, for the problems.
func Decode(name string, content []byte, into any) *Document {
	d := &Document{name: name, places: map[string]place{}}
	if len(content) > maxBytes {
		d.add(place{}, "", fmt.Sprintf("the file has %d bytes; the limit is %d", len(content), maxBytes))
		return d
	}
	file, err := parse(content)
	if err != nil {
		d.syntax(err)
		return d
	}
	bodies := slices.DeleteFunc(file.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	for i, doc := range bodies {
		n := Node{d: d, node: doc.Body}
		if i > 0 {
			n.Problem("a second YAML document; put all into one")
			break
		}
		n.decodeInto(into)
	}
	return d
}

// parse never panics, whatever the parser does.
func parse(content []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it cannot be read")
		}
	}()
	if depth := nesting(content); depth > maxDepth {
		return nil, fmt.Errorf("brackets stand %d deep in each other; the limit is %d", depth, maxDepth)
	}
	return parser.ParseBytes(content, 0) //nolint:wrapcheck // the caller says what it was
}

// nesting returns how deep brackets are nested at most, those in text included: enough
// to keep the parser's recursion in bounds.
func nesting(content []byte) int {
	depth, deepest := 0, 0
	for _, c := range content {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

func (d *Document) syntax(err error) {
	message, at := err.Error(), place{}
	if e, ok := errors.AsType[yaml.Error](err); ok {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			at = place{t.Position.Line, t.Position.Column}
		}
	}
	d.add(at, "", "not valid YAML: "+message)
}

func (d *Document) add(at place, field, message string) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, alert.Problem{File: d.name, Line: at.line, Column: at.column, Field: field, Message: message})
	}
}

// Problem adds that something is wrong with a field, such as receivers[0].teams.url. A
// field that is not in the file is reported at the nearest one around it that is.
func (d *Document) Problem(field, message string) { d.add(d.place(field), field, message) }

// place returns where the field stands.
func (d *Document) place(field string) place {
	for path := field; ; {
		if at, ok := d.places[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

// Invalid adds what a Validate method returned for the field: errors of the form
// "key: what is wrong and what would be right", several of them joined.
func (d *Document) Invalid(field string, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			d.Invalid(field, e)
		}
		return
	}
	key, message, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(key, " ") {
		d.Problem(field, err.Error())
		return
	}
	d.Problem(join(field, key), message)
}

// Problems returns what is wrong, by place.
func (d *Document) Problems() []alert.Problem {
	slices.SortStableFunc(d.problems, func(a, b alert.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return d.problems
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
