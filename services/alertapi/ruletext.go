package alertapi

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/rule"
)

// ruleText returns the text of a rule in its file: its lines, unless it shares them
// with others; then it is written anew.
func ruleText(source []byte, r *rule.Rule) string {
	node := findRule(source, r)
	if node == nil {
		return ""
	}
	if node.Style&yaml.FlowStyle != 0 {
		text, err := yaml.Marshal(node)
		if err != nil {
			return ""
		}
		return string(text)
	}
	lines := strings.Split(strings.ReplaceAll(string(source), "\r\n", "\n"), "\n")
	if node.Line > len(lines) {
		return ""
	}
	return linesOf(lines[node.Line-1:], node.Column-1)
}

// findRule returns the rule as it stands in its file.
func findRule(source []byte, r *rule.Rule) *yaml.Node {
	var file struct {
		Groups []struct {
			Rules []yaml.Node `yaml:"rules"`
		} `yaml:"groups"`
	}
	if yaml.Unmarshal(source, &file) != nil {
		return nil
	}
	for i := range file.Groups {
		for j := range file.Groups[i].Rules {
			n := &file.Groups[i].Rules[j]
			if n.Line == r.Line && (valueOf(n, "alert") == r.Alert && valueOf(n, "record") == r.Record) {
				return n
			}
		}
	}
	return nil
}

func valueOf(n *yaml.Node, key string) string {
	if n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// linesOf returns the lines of the item that begins with the first one and whose keys
// are so far indented, without what the first one is indented by.
func linesOf(lines []string, keys int) string {
	end := 1 // behind the last line that is known to be of the item
	for i := 1; i < len(lines); i++ {
		text, inside := strings.TrimSpace(lines[i]), indentOf(lines[i]) >= keys
		switch {
		case text == "", text[0] == '#' && !inside:
			continue // what comes next tells whose it is
		case !inside:
			return unindented(lines[:end], indentOf(lines[0]))
		}
		end = i + 1
	}
	return unindented(lines[:end], indentOf(lines[0]))
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func unindented(lines []string, indent int) string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[min(indent, indentOf(line)):]
	}
	return strings.Join(out, "\n") + "\n"
}
