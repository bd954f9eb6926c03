package catalogue

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
)

// Prefix begins the names of the catalogue's files, where rules of their own have
// rules/.
const Prefix = "catalogue/"

//go:embed *.yaml
var files embed.FS

// FS returns the rule files and their tests, NAME.yaml and NAME.test.yaml.
func FS() fs.FS { return files }

// Files returns the names of the rule files, sorted and without ending: agent, disk,
// host, platform.
func Files() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // the folder of an embedded file system is always there
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".test.yaml") {
			names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
		}
	}
	return names
}

// Load reads the named files. Values of parameters are those that the options have
// for catalogue/NAME.yaml; there may be some for a file that is not enabled.
func Load(enabled []string, opt rule.Options) ([]*rule.File, rule.Problems) {
	problems := unknown(enabled, opt)
	var out []*rule.File
	for _, name := range Files() {
		if !slices.Contains(enabled, name) {
			continue
		}
		content, err := files.ReadFile(name + ".yaml")
		if err != nil {
			problems = append(problems, alert.Problem{File: fileName(name), Message: err.Error()})
			continue
		}
		f, ps := rule.Parse(fileName(name), content, opt)
		if problems = append(problems, ps...); f != nil {
			out = append(out, f)
		}
	}
	return out, problems
}

func fileName(name string) string { return Prefix + name + ".yaml" }

// unknown returns a problem for each name that the catalogue does not have.
func unknown(enabled []string, opt rule.Options) (problems rule.Problems) {
	all := Files()
	for _, name := range enabled {
		if !slices.Contains(all, name) {
			problems = append(problems, alert.Problem{Field: "enable", Message: fmt.Sprintf("the catalogue has no %q; it has: %s", name, strings.Join(all, ", "))})
		}
	}
	var strange []string
	for name := range opt.Parameters {
		rest, ok := strings.CutPrefix(name, Prefix)
		if ok && !slices.Contains(all, strings.TrimSuffix(rest, ".yaml")) {
			strange = append(strange, rest)
		}
	}
	slices.Sort(strange)
	for _, name := range strange {
		problems = append(problems, alert.Problem{Field: "parameters", Message: fmt.Sprintf("the catalogue has no %q; it has: %s", strings.TrimSuffix(name, ".yaml"), strings.Join(all, ", "))})
	}
	return problems
}
