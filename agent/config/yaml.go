package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// yaml takes the settings of a file. It walks the syntax tree instead of
// decoding into the struct, so that every mistake is found and has its line.
func (l *loader) yaml(name string, content []byte) {
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		l.syntax(name, err)
		return
	}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			l.problem(at(name, doc.Body), "a second YAML document; put all settings into one")
			return
		}
		l.mapping(name, "", doc.Body)
	}
}

func (l *loader) syntax(name string, err error) {
	p := Problem{Source: name}
	message := err.Error()
	var e yaml.Error
	if errors.As(err, &e) {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
		}
	}
	l.problem(p, "this is no YAML: %s", strings.TrimSpace(message))
}

func at(name string, n ast.Node) Problem {
	p := Problem{Source: name}
	if t := n.GetToken(); t != nil && t.Position != nil {
		p.Line = t.Position.Line
	}
	return p
}

// mapping takes the settings below a key.
func (l *loader) mapping(name, parent string, n ast.Node) {
	entries, ok := entries(n)
	if !ok {
		p := at(name, n)
		p.Key = parent
		l.problem(p, "settings are expected here, as `name: value`")
		return
	}
	for _, e := range entries {
		key := keyText(e)
		if parent != "" {
			key = parent + "." + key
		}
		place := at(name, e.Key)
		place.Key = key
		if s, ok := l.setting(key); ok {
			r, err := rawOf(e.Value)
			l.set(s, r, err, place)
		} else if l.section(key) {
			l.mapping(name, key, e.Value)
		} else {
			l.problem(place, "%s", l.unknown(key))
		}
	}
}

// entries returns the entries of a mapping; false for anything else. A section
// whose lines are all commented out is an empty one.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil, true
	}
	return nil, false
}

func keyText(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return e.Key.GetToken().Value
}

// rawOf returns the value of a node.
func rawOf(n ast.Node) (raw, error) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		r := raw{list: []string{}}
		for i, item := range seq.Values {
			s, err := scalar(item)
			if err != nil {
				return raw{}, fmt.Errorf("entry %d: %w", i+1, err)
			}
			r.list = append(r.list, s)
		}
		return r, nil
	}
	if _, null := n.(*ast.NullNode); null {
		return raw{}, errors.New("the value is missing; write one or leave the line out")
	}
	if pairs, ok := entries(n); ok {
		r := raw{pairs: map[string]string{}}
		for _, e := range pairs {
			s, err := scalar(e.Value)
			if err != nil {
				return raw{}, fmt.Errorf("%s: %w", keyText(e), err)
			}
			r.pairs[keyText(e)] = s
		}
		return r, nil
	}
	s, err := scalar(n)
	return raw{text: s}, err
}

// scalar returns the text of a plain value, whatever YAML takes it for: what it
// means is for the setting to say.
func scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, nil
	}
	return "", errors.New("a plain value is expected")
}
