package alertapi

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
)

// snippetFile is the name of the file that a snippet stands in, for people.
const snippetFile = "rule"

// parseText reads a whole rule file, a group, or a rule. Lines and columns of problems
// are those of the text.
func parseText(name, text string, opt rule.Options) (*rule.File, []alert.Problem) {
	text = withoutMarks(text)
	head, indent := frameOf(text)
	file, problems := rule.Parse(name, []byte(head+indented(text, indent)), opt)
	for i := range problems {
		p := &problems[i]
		p.Line = max(p.Line-strings.Count(head, "\n"), min(p.Line, 1))
		p.Column = max(p.Column-len(indent), min(p.Column, 1))
	}
	return file, problems
}

// parseSnippet reads a rule file with one group, a group, or a rule.
func parseSnippet(text string, opt rule.Options) (*rule.Group, []alert.Problem) {
	file, problems := parseText(snippetFile, text, opt)
	if len(problems) > 0 {
		return nil, problems
	}
	if len(file.Groups) != 1 {
		return nil, []alert.Problem{{File: snippetFile, Field: "groups", Message: "one group is tried at a time; leave the others out"}}
	}
	return file.Groups[0], nil
}

// frameOf returns what goes before a text so that it is a rule file, and by what its
// lines are indented.
func frameOf(text string) (head, indent string) {
	var top yaml.Node
	if yaml.Unmarshal([]byte(text), &top) != nil || len(top.Content) == 0 {
		return "", "" // the parser says what is wrong
	}
	node := top.Content[0]
	if node.Kind == yaml.SequenceNode && len(node.Content) > 0 {
		if hasKey(node.Content[0], "rules") {
			return "groups:\n", "  "
		}
		return "groups:\n- name: trial\n  rules:\n", "  "
	}
	switch {
	case hasKey(node, "groups"):
		return "", ""
	case hasKey(node, "rules"):
		return "groups:\n-\n", "  "
	}
	return "groups:\n- name: trial\n  rules:\n  -\n", "    "
}

// withoutMarks removes what may stand only at the beginning of a file: a byte order
// mark, and the line that begins the first document, whose place stays empty.
func withoutMarks(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		switch line = strings.TrimRight(line, " \r"); {
		case line == "---":
			lines[i] = ""
			return strings.Join(lines, "\n")
		case line != "" && line[0] != '#':
			return text
		}
	}
	return text
}

func hasKey(n *yaml.Node, key string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

func indented(text, indent string) string {
	if indent == "" {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = indent + line
		}
	}
	return strings.Join(lines, "\n")
}
