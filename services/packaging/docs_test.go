package packaging_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	agentcli "github.com/esolutions/esmon/agent/cli"
)

// pages are those that lead through what is in this folder.
var pages = []string{"deployment.md", "capacity.md", "monitoring-the-platform.md"}

const docs = "../../docs"

// TestCommandsExist runs each command of the pages, scripts and manifests with
// --help: a command or flag that there is not is refused.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	files := []string{"compose/start", "compose/compose.yaml", "systemd/esmon@.service", "systemd/esmon-agent.service"}
	for _, p := range pages {
		files = append(files, filepath.Join(docs, p))
	}
	found := 0
	for _, file := range files {
		for _, c := range commandsIn(read(t, file)) {
			found++
			if out, ok := helpOf(t, c); !ok {
				t.Errorf("%s: %s: %s", file, strings.Join(c, " "), out)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands were found: what finds them is broken", found)
	}
}

var (
	// A program of the platform where a command begins, up to what ends one.
	invocation = regexp.MustCompile("(?:^|-- |until |&& |[$][(]|/usr/bin/)(esmon|esmon-agent)((?: +[^\\s|;&>`)#]+)+)")
	fence      = regexp.MustCompile("(?s)```[a-z]*\n(.*?)```")
	inline     = regexp.MustCompile("`(esmon(?:-agent)? [^`]+)`")
)

// commandsIn returns commands with their arguments. In a page these are in fenced
// blocks and between backticks, elsewhere anywhere but in comments.
func commandsIn(text string) [][]string {
	if blocks := fence.FindAllStringSubmatch(text, -1); blocks != nil {
		var code strings.Builder
		for _, b := range append(blocks, inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1)...) {
			code.WriteString(b[1] + "\n")
		}
		text = code.String()
	}
	var out [][]string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		// A number that the shell puts in; lists of YAML; quotes.
		line = strings.NewReplacer("$!", "1", "[", " ", "]", " ", ", ", " ", `"`, "").Replace(line)
		for _, m := range invocation.FindAllStringSubmatch(line, -1) {
			out = append(out, append([]string{m[1]}, strings.Fields(m[2])...))
		}
	}
	return out
}

func helpOf(t *testing.T, command []string) (string, bool) {
	t.Helper()
	args := append(slices.Clone(command[1:]), "--help")
	if command[0] == "esmon" {
		code, out := esmon(t, nil, args...)
		return out, code == 0
	}
	var out bytes.Buffer
	code := agentcli.Main(agentcli.Program{Version: "test", Args: args, Stdout: &out, Stderr: &out})
	return out.String(), code == 0
}

// TestFilesExist holds every file of this repository that the pages name to be
// there, and every link to lead somewhere.
func TestFilesExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`(?:services/packaging|\.tools)/[A-Za-z0-9_@./-]+`)
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#([^)]*))?\)`)
	for _, p := range pages {
		text := read(t, filepath.Join(docs, p))
		for _, name := range named.FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join("../..", strings.TrimRight(name, "./"))); err != nil {
				t.Errorf("%s: names what is not there: %v", p, err)
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := filepath.Join(docs, m[1])
			content, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: links to what is not there: %v", p, err)
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(string(content)), m[2]) {
				t.Errorf("%s: %s has no heading #%s", p, m[1], m[2])
			}
		}
	}
}

// anchors returns the headings of a page as links name them.
func anchors(page string) []string {
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		out = append(out, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}
