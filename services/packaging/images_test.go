package packaging_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/config"
)

// instructions are the lines of a Containerfile, continued ones joined.
func instructions(t *testing.T, path string) [][2]string {
	t.Helper()
	var out [][2]string
	for line := range strings.Lines(strings.ReplaceAll(read(t, path), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			name, rest, _ := strings.Cut(line, " ")
			out = append(out, [2]string{name, strings.TrimSpace(rest)})
		}
	}
	return out
}

// Nothing is pulled, nothing runs at build time, and what runs is not root.
func TestContainerfiles(t *testing.T) {
	t.Parallel()
	agent := map[string]bool{}
	for _, s := range config.Settings() {
		agent[s.Env()] = true
	}
	known := map[string]map[string]bool{"images/Containerfile.server": variables(), "images/Containerfile.agent": agent}
	for file, settings := range known {
		user := ""
		for _, i := range instructions(t, file) {
			switch i[0] {
			case "FROM":
				if i[1] != "scratch" {
					t.Errorf("%s: builds on %s", file, i[1])
				}
			case "RUN", "ADD", "SHELL", "HEALTHCHECK", "ONBUILD":
				t.Errorf("%s: %s needs what the image does not have", file, i[0])
			case "USER":
				user = i[1]
			case "ENTRYPOINT", "CMD":
				if !strings.HasPrefix(i[1], "[") {
					t.Errorf("%s: %s %s needs a shell", file, i[0], i[1])
				}
			case "ENV":
				for _, e := range strings.Fields(i[1]) {
					if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "ESMON_") && !settings[name] {
						t.Errorf("%s: %s is the variable of no setting", file, name)
					}
				}
			}
		}
		if !regexp.MustCompile(`^[1-9][0-9]{4}:[1-9][0-9]{4}$`).MatchString(user) {
			t.Errorf("%s: user %q is not numeric, or one that hosts use", file, user)
		}
	}
}

// The scripts are at least what a shell can read; what they do is shown by running
// them.
func TestScriptsParse(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"images/build", "compose/start", "rabbitmq/setup", "../../.tools/validate-packaging"} {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

// The images that manifests name are those that the script builds.
func TestImagesAreTheOnesThatAreBuilt(t *testing.T) {
	t.Parallel()
	script := read(t, "images/build")
	var built []string
	for _, m := range regexp.MustCompile(`(?m)^image (\S+) `).FindAllStringSubmatch(script, -1) {
		built = append(built, m[1])
	}
	used := regexp.MustCompile(`localhost/([a-z-]+)`)
	for _, file := range append(glob(t, "kubernetes/*.yaml"), "compose/compose.yaml") {
		for _, m := range used.FindAllStringSubmatch(read(t, file), -1) {
			if !slices.Contains(built, m[1]) {
				t.Errorf("%s: image %s is not among those that images/build makes, %v", file, m[1], built)
			}
		}
	}
}
