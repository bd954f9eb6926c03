package rule

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxMerges is how deep merged mappings (<<) may refer to each other.
const maxMerges = 16

// nullTag is YAML's for a value that is not there.
const nullTag = "!!null"

// entry is one line of a mapping.
type entry struct {
	key   string
	at    *yaml.Node // the key, for messages
	value *yaml.Node // never an alias
}

// resolve returns what an alias stands for. Aliases of aliases do not exist.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == nullTag }

// spend counts a value; false, with a problem, once there are too many: aliases can
// make few bytes many values.
func (p *parser) spend(n *yaml.Node) bool {
	p.nodes++
	if p.nodes == p.opt.Limits.Nodes+1 {
		p.problem(n, "", "the file has more than %d values, those that aliases repeat counted each time: split it", p.opt.Limits.Nodes)
	}
	return p.nodes <= p.opt.Limits.Nodes
}

// mapping returns the entries of a mapping, merged ones last, in the order in which
// they stand; none if there is no value.
func (p *parser) mapping(n *yaml.Node, field string) []entry {
	n = resolve(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.problem(n, field, "lines of the form `name: value` are expected, not %s", kindText(n))
		return nil
	}
	seen := map[string]bool{}
	return p.merge(nil, n, field, seen, 0)
}

// merge appends the entries of a mapping that are not there yet.
func (p *parser) merge(to []entry, n *yaml.Node, field string, seen map[string]bool, depth int) []entry {
	if depth > maxMerges {
		p.problem(n, field, "merged mappings refer to each other more than %d deep: write the values out", maxMerges)
		return to
	}
	var merged []*yaml.Node
	here := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := resolve(n.Content[i]), resolve(n.Content[i+1])
		if !p.spend(k) {
			return to
		}
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "" || k.Tag == "!" || k.ShortTag() == "!!merge") {
			merged = append(merged, v)
			continue
		}
		key, ok := p.text(k, field)
		if !ok {
			continue
		}
		if line, twice := here[key]; twice {
			p.problem(k, join(field, key), "it stands here twice; the first one is in line %d", line)
			continue
		}
		here[key] = k.Line
		if !seen[key] {
			seen[key] = true
			to = append(to, entry{key, k, v})
		}
	}
	for _, m := range merged {
		to = p.mergeFrom(to, m, field, seen, depth+1)
	}
	return to
}

// mergeFrom appends what << names: a mapping or a list of them.
func (p *parser) mergeFrom(to []entry, n *yaml.Node, field string, seen map[string]bool, depth int) []entry {
	switch n.Kind {
	case yaml.MappingNode:
		return p.merge(to, n, field, seen, depth)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			item = resolve(item)
			if item.Kind != yaml.MappingNode {
				p.problem(item, field, "<< takes mappings only")
				return to
			}
			if !p.spend(item) {
				return to
			}
			to = p.merge(to, item, field, seen, depth)
		}
		return to
	}
	p.problem(n, field, "<< takes a mapping or a list of mappings")
	return to
}

// list returns the items of a list; none if there is no value.
func (p *parser) list(n *yaml.Node, field string) []*yaml.Node {
	n = resolve(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.problem(n, field, "a list is expected (lines that start with `- `), not %s", kindText(n))
		return nil
	}
	items := make([]*yaml.Node, 0, len(n.Content))
	for _, item := range n.Content {
		if !p.spend(item) {
			return items
		}
		items = append(items, resolve(item))
	}
	return items
}

// text returns a plain value as it is written; "" where there is none.
func (p *parser) text(n *yaml.Node, field string) (string, bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode {
		p.problem(n, field, "one value is expected, not %s", kindText(n))
		return "", false
	}
	var s string
	if err := n.Decode(&s); err != nil {
		p.problem(n, field, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return "", false
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		p.problem(n, field, "it is no text: only UTF-8 without NUL is")
		return "", false
	}
	limit := max(p.opt.Limits.TextBytes, p.opt.Limits.ExprBytes)
	if len(s) > limit {
		p.problem(n, field, "it has %d bytes; the limit is %d", len(s), limit)
		return "", false
	}
	return s, true
}

// fields returns the values of a mapping by name, and a problem for each name that
// there is not.
func (p *parser) fields(n *yaml.Node, field string, known []string) map[string]entry {
	out := map[string]entry{}
	for _, e := range p.mapping(n, field) {
		if contains(known, e.key) {
			out[e.key] = e
			continue
		}
		p.problem(e.at, join(field, e.key), "%s", unknownText("field", e.key, known))
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// unknownText says that there is no such thing and which one may be meant.
func unknownText(what, name string, known []string) string {
	if s := suggest(name, known); s != "" {
		return fmt.Sprintf("there is no such %s; did you mean %s?", what, s)
	}
	if len(known) == 0 {
		return fmt.Sprintf("there is no such %s, and no other", what)
	}
	return fmt.Sprintf("there is no such %s; there are: %s", what, strings.Join(known, ", "))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func kindText(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
