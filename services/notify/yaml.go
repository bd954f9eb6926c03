package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
)

// Limits of a file.
const (
	maxFileBytes = 1 << 20
	maxNodes     = 200_000 // visited, those behind aliases each time
	maxDepth     = 100
	maxProblems  = 100
)

// document walks a YAML file and gathers what is wrong with it.
type document struct {
	file     string
	problems []alert.Problem
	nodes    int
	depth    int
}

// field reads the value of a field.
type field func(n *yaml.Node, path string)

// root returns the outermost node; nil if there is none.
func (d *document) root(content []byte) *yaml.Node {
	if len(content) > maxFileBytes {
		d.add(nil, "", "the file has %d bytes; the limit is %d", len(content), maxFileBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			d.syntax(err)
		}
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		d.add(&second, "", "a second YAML document; put all into one")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (d *document) syntax(err error) {
	text := err.Error()
	p := alert.Problem{File: d.file}
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if line, err := strconv.Atoi(m[1]); err == nil {
			p.Line = line
		}
	}
	p.Message = "not valid YAML: " + text
	d.problems = append(d.problems, p)
}

// add notes a problem; the node says where.
func (d *document) add(n *yaml.Node, path, format string, args ...any) {
	if len(d.problems) >= maxProblems {
		return
	}
	p := alert.Problem{File: d.file, Field: path, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}

// resolve follows an alias and counts what is visited, so that aliases of aliases do
// not take for ever; nil if that is too much.
func (d *document) resolve(n *yaml.Node) *yaml.Node {
	d.nodes++
	if d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.add(n, "", "the file has more than %d values, those behind aliases counted each time", maxNodes)
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// deeper counts how deep the walk is: with an alias, a value may hold itself.
func (d *document) deeper(n *yaml.Node, path string, walk func()) {
	if d.depth >= maxDepth {
		d.add(n, path, "it is nested more than %d deep", maxDepth)
		return
	}
	d.depth++
	walk()
	d.depth--
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping reads the fields of a mapping. A field without a value is left out, as
// Alertmanager has it.
func (d *document) mapping(n *yaml.Node, path string, fields map[string]field) {
	d.pairs(n, path, func(key, value *yaml.Node) {
		f, ok := fields[key.Value]
		p := join(path, key.Value)
		switch {
		case !ok:
			d.add(key, p, "%s", unknown(key.Value, fields))
		case !isNull(value):
			f(value, p)
		}
	})
}

// pairs visits the entries of a mapping in their order, those merged into it first.
func (d *document) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	given := n
	if n = d.resolve(n); n == nil || isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(given, path, "a mapping is expected: `name: value` lines")
		return
	}
	d.deeper(given, path, func() { d.entries(n, path, visit) })
}

func (d *document) entries(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Tag == "!!merge":
		case key.Kind != yaml.ScalarNode:
			d.add(key, path, "a name is expected")
		case seen[key.Value]:
			d.add(key, join(path, key.Value), "it is there twice")
		default:
			seen[key.Value] = true
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			d.merged(n.Content[i+1], path, seen, visit)
		}
	}
	done := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !seen[key.Value] || done[key.Value] || key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			continue
		}
		done[key.Value] = true
		if value := d.resolve(n.Content[i+1]); value != nil {
			visit(key, value)
		}
	}
}

// merged visits what `<<:` brings and the mapping does not say itself.
func (d *document) merged(n *yaml.Node, path string, seen map[string]bool, visit func(key, value *yaml.Node)) {
	if n = d.resolve(n); n == nil {
		return
	}
	if n.Kind == yaml.SequenceNode {
		d.deeper(n, path, func() {
			for _, item := range n.Content {
				d.merged(item, path, seen, visit)
			}
		})
		return
	}
	d.pairs(n, path, func(key, value *yaml.Node) {
		if !seen[key.Value] {
			seen[key.Value] = true
			visit(key, value)
		}
	})
}

// list visits the items of a list.
func (d *document) list(n *yaml.Node, path string, item field) {
	if n = d.resolve(n); n == nil || isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.add(n, path, "a list is expected: [a, b] or lines that start with `- `")
		return
	}
	d.deeper(n, path, func() {
		for i, given := range n.Content {
			if v := d.resolve(given); v != nil {
				item(v, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	})
}

// text returns a plain value.
func (d *document) text(n *yaml.Node, path string) (string, bool) {
	if n = d.resolve(n); n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.add(n, path, "one value is expected")
		return "", false
	}
	return n.Value, true
}

// texts returns a list of plain values, or one as a list. It is never nil.
func (d *document) texts(n *yaml.Node, path string) []string {
	out := []string{}
	if n.Kind == yaml.ScalarNode {
		if text, ok := d.text(n, path); ok {
			out = append(out, text)
		}
		return out
	}
	d.list(n, path, func(n *yaml.Node, path string) {
		if text, ok := d.text(n, path); ok {
			out = append(out, text)
		}
	})
	return out
}

// setText returns a field that is one text.
func (d *document) setText(to *string) field {
	return func(n *yaml.Node, path string) { *to, _ = d.text(n, path) }
}

// setTexts returns a field that is a list of texts.
func (d *document) setTexts(to *[]string) field {
	return func(n *yaml.Node, path string) { *to = d.texts(n, path) }
}

func (d *document) setBool(to *bool) field {
	return func(n *yaml.Node, path string) {
		text, ok := d.text(n, path)
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			*to = true
		case "false", "no", "off":
			*to = false
		default:
			if ok {
				d.add(n, path, "%q is neither true nor false", text)
			}
		}
	}
}

// setDuration returns a field that is a duration of at least least.
func (d *document) setDuration(to *time.Duration, least time.Duration) field {
	return func(n *yaml.Node, path string) {
		text, ok := d.text(n, path)
		if !ok {
			return
		}
		v, err := model.ParseDuration(text)
		switch {
		case err != nil:
			d.add(n, path, "%q is no duration: write a number and a unit, such as 30s, 5m, 1h30m or 1d", text)
		case time.Duration(v) < least:
			d.add(n, path, "%s is too short; at least %s is needed", text, model.Duration(least))
		default:
			*to = time.Duration(v)
		}
	}
}

func (d *document) setInt(to *int, least, most int) field {
	return func(n *yaml.Node, path string) {
		text, ok := d.text(n, path)
		if !ok {
			return
		}
		v, err := strconv.Atoi(text)
		if err != nil || v < least || v > most {
			d.add(n, path, "%q: a whole number from %d to %d is expected", text, least, most)
			return
		}
		*to = v
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// unknown says that there is no such field and which one may be meant.
func unknown(name string, fields map[string]field) string {
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	return "there is no such field; " + suggest(name, names)
}

// suggest says which of the names may be meant.
func suggest(name string, names []string) string {
	slices.Sort(names)
	best, bestDistance := "", max(2, len(name)/3)+1
	for _, n := range names {
		if dist := distance(name, n); dist < bestDistance {
			best, bestDistance = n, dist
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %s?", best)
	case len(names) == 0:
		return "there are none"
	case len(names) > 30:
		names = append(names[:30], "…")
	}
	return "there are: " + strings.Join(names, ", ")
}

// distance is the Levenshtein distance; long texts are as far away as can be.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return len(a) + len(b)
	}
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
