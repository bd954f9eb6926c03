package alertconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/strictyaml"
	"github.com/esolutions/esmon/services/rule/catalogue"
)

// selection is catalogue.yaml: what of the catalogue is used, and with which
// parameters.
type selection struct {
	// Names of the catalogue's files; all of them if it is left out.
	Enable names `yaml:"enable"`
	// By name of a catalogue's file, or path of an own one such as rules/web.yaml: the
	// values of its parameters.
	Parameters map[string]map[string]string `yaml:"parameters"`

	doc *strictyaml.Document
}

// names is a list that may be left out, which is not the same as an empty one.
type names struct {
	given bool
	list  []string
}

// DecodeNode implements strictyaml.NodeDecoder.
func (n *names) DecodeNode(node strictyaml.Node) {
	if node.Null() {
		return
	}
	n.given = true
	for _, item := range node.Items() {
		if text, ok := item.Text(); ok {
			n.list = append(n.list, text)
		}
	}
}

// parseSelection reads catalogue.yaml. A name that is not known is refused: a typo
// would change nothing and nobody would know. Only known ones are returned.
func (s *snapshot) parseSelection() *selection {
	out := &selection{}
	d := strictyaml.Decode(catalogueFile, s.content(catalogueFile), out)
	if len(d.Problems()) > 0 {
		out.Parameters = nil // what would be said of them might not be true
	}
	all := catalogue.Files()
	for i, name := range out.Enable.list {
		if !slices.Contains(all, name) {
			d.Problem(fmt.Sprintf("enable[%d]", i), fmt.Sprintf("the catalogue has no %q; it has: %s", name, strings.Join(all, ", ")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(out.Parameters)) {
		if file := fileOf(name); s.content(file) == nil && !slices.Contains(all, catalogueName(file)) {
			d.Problem("parameters."+name, "there is no such rule file; write the name of a file of the catalogue, which are "+strings.Join(all, ", ")+", or the path of an own one such as rules/web.yaml")
			delete(out.Parameters, name)
		}
	}
	out.Enable.list = slices.DeleteFunc(out.Enable.list, func(name string) bool { return !slices.Contains(all, name) })
	out.doc = d
	return out
}

// place returns the problems of rule files without those of values that catalogue.yaml
// gives to their parameters: they stand there and are noted as such.
func (s *selection) place(problems []alert.Problem) (others []alert.Problem) {
	for _, p := range problems {
		name := s.nameOf(p.File)
		parameter, ok := strings.CutPrefix(p.Field, "parameters.")
		if _, set := s.Parameters[name][parameter]; !ok || !set || p.Line > 0 {
			others = append(others, p)
			continue
		}
		s.doc.Problem("parameters."+name+"."+parameter, p.Message)
	}
	return others
}

// nameOf returns the name under which there are parameters of a file.
func (s *selection) nameOf(file string) string {
	for name := range s.Parameters {
		if fileOf(name) == file {
			return name
		}
	}
	return ""
}

// enabled returns the names that are used, of all that there are.
func (s *selection) enabled() []string {
	if s.Enable.given {
		return s.Enable.list
	}
	return catalogue.Files()
}

// parameters returns the values by the name that the file has for package rule.
func (s *selection) parameters() map[string]map[string]string {
	out := make(map[string]map[string]string, len(s.Parameters))
	for name, values := range s.Parameters {
		out[fileOf(name)] = values
	}
	return out
}

// fileOf returns the name that package rule has for a file that parameters name.
func fileOf(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return catalogue.Prefix + strings.TrimSuffix(name, ".yaml") + ".yaml"
}
