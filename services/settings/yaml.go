package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// YAML takes the settings in the text of a file. The name is used in messages
// only. A key that is no setting is a mistake: a misspelt limit must not pass.
func (s *Set) YAML(name string, text []byte) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		s.syntax(name, err)
		return
	}
	f := &yamlFile{set: s, name: name}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			s.problem(f.place(doc.Body), "", "a second YAML document; put all settings into one")
			return
		}
		f.section("", doc.Body)
	}
}

func (s *Set) syntax(name string, err error) {
	place, message := Place{Source: name}, err.Error()
	if e, ok := errors.AsType[yaml.Error](err); ok {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			place.Line = t.Position.Line
		}
	}
	s.problem(place, "", "not valid YAML: %s", message)
}

// yamlFile walks one parsed file.
type yamlFile struct {
	set  *Set
	name string
}

func (f *yamlFile) place(n ast.Node) Place {
	p := Place{Source: f.name}
	if t := n.GetToken(); t != nil && t.Position != nil {
		p.Line = t.Position.Line
	}
	return p
}

// pairs returns the entries of a mapping; false if the node is none. A section
// whose lines are all commented out is an empty mapping.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
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

func (f *yamlFile) section(path string, n ast.Node) {
	entries, ok := pairs(n)
	if !ok {
		f.set.problem(f.place(n), path, "this is a section; write its settings below it, indented, as `name: value`")
		return
	}
	for _, e := range entries {
		p := join(path, keyText(e.Key))
		l := f.set.leaf(p)
		switch {
		case l != nil:
			f.leaf(l, e)
		case f.set.hasSection(p):
			f.section(p, e.Value)
		default:
			f.set.problem(f.place(e.Key), p, "%s", f.set.unknown(path, p))
		}
	}
}

func keyText(k ast.Node) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return k.GetToken().Value
}

func (s *Set) hasSection(path string) bool {
	return slices.ContainsFunc(s.sections, func(x section) bool { return x.path == path })
}

func (f *yamlFile) leaf(l *leaf, e *ast.MappingValueNode) {
	place := f.place(e.Key)
	if _, null := e.Value.(*ast.NullNode); null {
		f.set.problem(place, l.path, "the value is missing; write one or leave the line out")
		return
	}
	var err error
	switch l.value.Type() {
	case stringsType:
		err = setList(l.value, e.Value)
	case mapType:
		err = setMap(l.value, e.Value)
	default:
		var text string
		if text, err = scalar(e.Value); err == nil {
			err = parse(l.value, l.path, text)
		}
	}
	if err != nil {
		f.set.problem(place, l.path, "%v", err)
		return
	}
	l.from = place
}

// scalar returns the text of a plain value, whatever YAML takes it for: what it
// means is for the setting's type to say.
func scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "", errors.New("anchors, aliases and tags are not supported; write the value out")
	}
	return "", errors.New("one value is expected, not a list or a section")
}

func setList(v reflect.Value, n ast.Node) error {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return errors.New("a list is expected: [a, b] or lines that start with `- `")
	}
	list := make([]string, len(seq.Values))
	for i, item := range seq.Values {
		text, err := scalar(item)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		list[i] = text
	}
	v.Set(reflect.ValueOf(list))
	return nil
}

func setMap(v reflect.Value, n ast.Node) error {
	entries, ok := pairs(n)
	if !ok {
		return errors.New("`name: value` lines are expected")
	}
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		text, err := scalar(e.Value)
		if err != nil {
			return fmt.Errorf("entry %s: %w", keyText(e.Key), err)
		}
		m[keyText(e.Key)] = text
	}
	v.Set(reflect.ValueOf(m))
	return nil
}

// unknown says that there is no such setting and which one may be meant.
func (s *Set) unknown(parent, path string) string {
	best, bestDistance := "", 4
	var siblings []string
	for _, name := range s.names() {
		if d := distance(name, path); d < bestDistance {
			best, bestDistance = name, d
		}
		if rest, ok := strings.CutPrefix(name, parent); parent == "" || ok && strings.HasPrefix(rest, ".") {
			if rest = strings.TrimPrefix(rest, "."); !strings.Contains(rest, ".") {
				siblings = append(siblings, rest)
			}
		}
	}
	if best != "" {
		return fmt.Sprintf("there is no such setting; did you mean %s?", best)
	}
	return "there is no such setting; here are: " + strings.Join(siblings, ", ")
}

// names returns the paths of all settings and sections.
func (s *Set) names() []string {
	var names []string
	for _, x := range s.sections {
		if x.path != "" && !slices.Contains(names, x.path) { // an inlined one has the path of that around it
			names = append(names, x.path)
		}
	}
	for _, l := range s.leaves {
		names = append(names, l.path)
	}
	return names
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
