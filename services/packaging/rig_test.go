package packaging_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/esolutions/esmon/services/app"
	"github.com/esolutions/esmon/services/cli"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// targets of the platform, each with a configuration of its own.
var targets = []string{"control", "collector", "storage", "alerting", "dispatch", "gateway"}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// glob returns the files that match; there must be some.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is named like %s (%v)", pattern, err)
	}
	return files
}

// esmon runs the program and returns its exit code and all it printed.
func esmon(t *testing.T, environ []string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := cli.Main(context.Background(), cli.Program{Version: "test", Args: args, Environ: environ, Stdout: &out, Stderr: &out})
	return code, out.String()
}

// deployment is one way of running the separate targets.
type deployment struct {
	name    string
	configs map[string]string // by target: the text of the configuration
}

// deployments returns all of them.
func deployments(t *testing.T) []deployment {
	t.Helper()
	files := func(dir string) map[string]string {
		out := map[string]string{}
		for _, target := range targets {
			out[target] = read(t, filepath.Join(dir, target+".yaml"))
		}
		return out
	}
	var m struct {
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(configMap(t)), &m); err != nil {
		t.Fatal(err)
	}
	kubernetes := map[string]string{}
	for name, text := range m.Data {
		kubernetes[strings.TrimSuffix(name, ".yaml")] = text
	}
	return []deployment{{"config", files("config")}, {"compose", files("compose/config")}, {"kubernetes", kubernetes}}
}

func configMap(t *testing.T) string {
	t.Helper()
	return read(t, "kubernetes/config.yaml")
}

// parsed returns the configuration as the program takes it.
func parsed(t *testing.T, name, text string) app.Config {
	t.Helper()
	cfg := app.DefaultConfig()
	s := settings.New(&cfg)
	s.YAML(name, []byte(text))
	s.Validate()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// variables returns the environment variable of every setting.
func variables() map[string]bool {
	cfg, names := app.DefaultConfig(), map[string]bool{}
	for _, d := range settings.New(&cfg).Describe() {
		if !d.Section {
			names["ESMON_"+strings.ToUpper(strings.ReplaceAll(d.Path, ".", "_"))] = true
		}
	}
	return names
}
