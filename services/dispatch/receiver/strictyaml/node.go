package strictyaml

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Node is a value in a file.
type Node struct {
	d    *Document
	node ast.Node
	path string
}

// Entry is one line of a mapping.
type Entry struct {
	Key   string
	Value Node
}

// AST returns the parsed value.
func (n Node) AST() ast.Node { return n.node }

// Problem adds that something is wrong with it.
func (n Node) Problem(format string, args ...any) {
	n.d.add(n.position(), n.path, fmt.Sprintf(format, args...))
}

func (n Node) position() place { return position(n.node) }

func position(node ast.Node) place {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		node = m.Values[0].Key // the token of a mapping is its first colon
	}
	if m, ok := node.(*ast.MappingValueNode); ok {
		node = m.Key
	}
	if node == nil {
		return place{}
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return place{t.Position.Line, t.Position.Column}
	}
	return place{}
}

// Null tells whether nothing is written.
func (n Node) Null() bool {
	switch n.node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return true
	}
	return false
}

// Text returns the text of a plain value, whatever YAML takes it for; or it adds a
// problem and returns false.
func (n Node) Text() (string, bool) {
	switch v := n.node.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return v.GetToken().Value, true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		n.Problem("anchors, aliases and tags are not supported; write the value out")
	default:
		if n.Null() {
			n.Problem("the value is missing; write one or leave the line out")
		} else {
			n.Problem("one value is expected, not a list or a section")
		}
	}
	return "", false
}

// Entries returns the lines of a mapping, in their order; none and a problem if it is
// something else.
func (n Node) Entries() []Entry {
	var values []*ast.MappingValueNode
	switch v := n.node.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		if !n.Null() {
			n.Problem("`name: value` lines are expected here")
		}
		return nil
	}
	entries := make([]Entry, 0, len(values))
	for _, v := range values {
		key := keyText(v.Key)
		e := Entry{Key: key, Value: Node{d: n.d, node: v.Value, path: join(n.path, key)}}
		if e.Value.node == nil {
			e.Value.node = v.Key
		}
		n.d.places[e.Value.path] = position(v.Key)
		entries = append(entries, e)
	}
	return entries
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// Items returns the entries of a list; none and a problem if it is something else.
func (n Node) Items() []Node {
	seq, ok := n.node.(*ast.SequenceNode)
	if !ok {
		if !n.Null() {
			n.Problem("a list is expected: [a, b], or lines that start with `- `")
		}
		return nil
	}
	items := make([]Node, 0, len(seq.Values))
	for i, v := range seq.Values {
		item := Node{d: n.d, node: v, path: fmt.Sprintf("%s[%d]", n.path, i)}
		n.d.places[item.path] = item.position()
		items = append(items, item)
	}
	return items
}
