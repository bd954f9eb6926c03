package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/query"
)

// alertingFiles returns the configuration directories of alerting, as processes see
// them.
func alertingFiles(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"config": "config/alerting", "compose": "compose/config/alerting", "kubernetes": mountedConfigMap(t)}
}

// mountedConfigMap lays out a ConfigMap as the kubelet does, so that a change is seen
// at once: each name is a link into a folder that is replaced as a whole.
func mountedConfigMap(t *testing.T) string {
	t.Helper()
	var m struct {
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/alerting-files.yaml")), &m); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("..2026", filepath.Join(dir, "..data")))
	items := regexp.MustCompile(`(?m)^ +- \{key: (\S+), path: (\S+)\}$`).FindAllStringSubmatch(read(t, "kubernetes/alerting.yaml"), -1)
	if len(items) != len(m.Data) {
		t.Fatalf("kubernetes/alerting.yaml mounts %d files of %d", len(items), len(m.Data))
	}
	for _, item := range items {
		if m.Data[item[1]] == "" {
			t.Errorf("kubernetes/alerting.yaml mounts %s, which is not in the ConfigMap", item[1])
		}
		file := filepath.Join(dir, "..2026", item[2])
		must(os.MkdirAll(filepath.Dir(file), 0o700))
		must(os.WriteFile(file, []byte(m.Data[item[1]]), 0o600))
		top, _, _ := strings.Cut(item[2], "/")
		must(os.Symlink(filepath.Join("..data", top), filepath.Join(dir, top)))
	}
	return dir
}

// readAlerting reads a configuration directory; there must be nothing wrong with it.
func readAlerting(t *testing.T, dir string) *alertconfig.Loaded {
	t.Helper()
	checker, err := query.NewEvaluator(query.DefaultConfig(), query.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, problems, err := alertconfig.Read(os.DirFS(dir), alertconfig.Options{Checker: checker, Dir: dir}, time.Now())
	if err != nil || len(problems) > 0 {
		t.Fatalf("%s: %v %v", dir, problems, err)
	}
	return l
}

func TestAlertingFilesAreGood(t *testing.T) {
	t.Parallel()
	for name, dir := range alertingFiles(t) {
		if code, out := esmon(t, nil, "rules", "check", dir); code != 0 {
			t.Errorf("%s: %s", name, out)
		}
		l := readAlerting(t, dir)
		if len(l.Groups()) == 0 {
			t.Errorf("%s: there are no rules", name)
		}
		// What runs as it is must not send to people that there are not.
		if names := l.Receivers.Names(); name != "config" && (len(names) > 0 || l.Routes.Route.Receiver != "") {
			t.Errorf("%s: tells %v", name, names)
		}
	}
}

// What stands in comments of receivers.yaml, to be copied, is good.
func TestModelsOfReceiversAreGood(t *testing.T) {
	t.Parallel()
	for name, dir := range alertingFiles(t) {
		text := read(t, filepath.Join(dir, "receivers.yaml"))
		var lines []string
		for _, m := range regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(text, -1) {
			lines = append(lines, m[1])
		}
		receivers, route, ok := strings.Cut(strings.Join(lines, "\n"), "route:")
		if name == "config" {
			continue // it is no comment there
		}
		if !ok {
			t.Errorf("%s: has no model in its comments", name)
		}
		copied := t.TempDir()
		for file, text := range map[string]string{"receivers.yaml": receivers, "routes.yaml": "route:" + route} {
			if err := os.WriteFile(filepath.Join(copied, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if l := readAlerting(t, copied); l.Routes.Route.Receiver == "" {
			t.Errorf("%s: the model tells nobody", name)
		}
	}
}

// Secrets are named where the processes find them, and nowhere else.
func TestSecretsOfReceivers(t *testing.T) {
	t.Parallel()
	folders := map[string]string{"config": "/etc/esmon/receivers/", "compose": "/run/receivers/", "kubernetes": "/run/secrets/esmon/receivers/"}
	for name, dir := range alertingFiles(t) {
		found := regexp.MustCompile(`\{file: ([^}]+)\}`).FindAllStringSubmatch(read(t, filepath.Join(dir, "receivers.yaml")), -1)
		if len(found) == 0 {
			t.Errorf("%s: shows no secret", name)
		}
		for _, m := range found {
			if !strings.HasPrefix(m[1], folders[name]) {
				t.Errorf("%s: %s is not in %s", name, m[1], folders[name])
			}
		}
	}
}

// Those that read the rules and those that deliver name the same directory.
func TestAlertingFilesAreTheSame(t *testing.T) {
	t.Parallel()
	want := map[string]string{"config": "/etc/esmon/alerting", "compose": "/etc/esmon/alerting", "kubernetes": "/etc/esmon-alerting"}
	for _, d := range deployments(t) {
		for _, target := range []string{"alerting", "dispatch"} {
			if have := parsed(t, d.name, d.configs[target]).Alerting.Files.Dir; have != want[d.name] {
				t.Errorf("%s, %s: reads %q, want %q", d.name, target, have, want[d.name])
			}
		}
		if cfg := parsed(t, d.name, d.configs["alerting"]); cfg.Alerting.ExternalURL == "" {
			t.Errorf("%s: links in notifications would lead to the alerting node's own loopback", d.name)
		} else if storage := parsed(t, d.name, d.configs["storage"]); cfg.TSDB.Retention != storage.TSDB.Retention {
			t.Errorf("%s: alerting and storage keep data for different times", d.name)
		}
		for _, target := range targets {
			if c := parsed(t, d.name, d.configs[target]).Cluster; len(c.Alerting) == 0 {
				t.Errorf("%s, %s: is not told where alerting is", d.name, target)
			}
		}
	}
}
