package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadConfigurationFiles checks that each mistake in a file is told with its
// line, its setting and what would be right, before anything is made on disk.
func TestBadConfigurationFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/config_*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			checked := esmonWith(t, nil, "serve", "--check-config", "--config", file)
			if checked.code != exitFailed || checked.out != "" {
				t.Errorf("--check-config: %+v", checked)
			}
			golden(t, strings.TrimSuffix(filepath.Base(file), ".yaml")+".golden", checked.errout)
			environ := []string{"ESMON_CONFIG=" + file, "ESMON_DATA_DIR=" + dir}
			if r := esmonWith(t, environ, "serve"); r.code != exitFailed || r.out != "" {
				t.Errorf("serve: %+v", r)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the data directory was made")
			}
		})
	}
}

// TestWhereAMistakeIs checks the other sources of settings, and what a later one
// puts right.
func TestWhereAMistakeIs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "esmon.yaml")
	if err := os.WriteFile(file, []byte("log:\n  level: loud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loud := `: log.level: "loud" is no level; write debug, info, warn or error`
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		want    result
	}{
		{"file", nil, []string{"--config", file}, result{exitFailed, "", "esmon: " + file + ":2" + loud + "\n"}},
		{"environment", []string{"ESMON_LOG_LEVEL=loud"}, nil, result{exitFailed, "", "esmon: ESMON_LOG_LEVEL" + loud + "\n"}},
		{"flag", nil, []string{"--log-level", "loud"}, result{exitUsage, "", "esmon: flag --log-level" + loud + "\n"}},
		{"file put right by the environment", []string{"ESMON_LOG_LEVEL=warn"}, []string{"--config", file}, result{exitOK, "the configuration is good\n", ""}},
		{"environment put right by a flag", []string{"ESMON_LOG_LEVEL=loud"}, []string{"--log-level", "warn"}, result{exitOK, "the configuration is good\n", ""}},
		{"nothing", nil, nil, result{exitOK, "the configuration is good\n", ""}},
		{"of another program", []string{"ESMON_SERVER=x", "ESMON_TOKEN=y", "ESMON_OTHER=z"}, nil, result{exitOK, "the configuration is good\n", ""}},
		{"no file", nil, []string{"--config", file + "x"}, result{exitFailed, "", "esmon: read the configuration: open " + file + "x: no such file or directory\n"}},
		{"a directory", nil, []string{"--config", filepath.Dir(file)}, result{exitFailed, "", "esmon: read the configuration: read " + filepath.Dir(file) + ": is a directory\n"}},
	} {
		if got := esmonWith(t, c.environ, append([]string{"serve", "--check-config"}, c.args...)...); got != c.want {
			t.Errorf("%s: got  %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

// TestServerThatCannotStart checks what is said, and that it is not about the
// command line.
func TestServerThatCannotStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	taken, free := l.Addr().String(), "127.0.0.1:0"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, http, grpc, want string }{
		"a second server":    {shared.dir, free, free, "already runs a server on the data directory " + shared.dir + "; stop it first, or give this one another directory with --data-dir\n"},
		"HTTP address taken": {t.TempDir(), taken, free, "esmon: listen for HTTP on " + taken + " (setting http.address): listen tcp " + taken + ": bind: address already in use\n"},
		"gRPC address taken": {t.TempDir(), free, taken, "esmon: listen for agents on " + taken + " (setting grpc.address): listen tcp " + taken + ": bind: address already in use\n"},
		"a file":             {file, free, free, "esmon: make the data directory: mkdir " + file + ": not a directory; name another with --data-dir (setting data_dir)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := esmonWith(t, nil, "serve", "--data-dir", c.dir, "--http", c.http, "--grpc", c.grpc)
			if r.code != exitFailed || r.out != "" || !strings.HasSuffix(r.errout, c.want) || strings.Count(r.errout, "esmon: ") != 1 {
				t.Errorf("%+v\nwant %s", r, c.want)
			}
			if r := esmon(t, "status"); r.code != exitOK {
				t.Errorf("the shared server is hurt: %+v", r)
			}
		})
	}
}

// TestGreetingThatCannotBeWritten checks that such a start leaves nothing behind.
func TestGreetingThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	args := []string{"serve", "--data-dir", t.TempDir(), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}
	var errout strings.Builder
	if code := Main(t.Context(), Program{Args: args, Stdout: fullDevice{}, Stderr: &errout}); code != exitFailed || !strings.HasSuffix(errout.String(), "esmon: short write\n") {
		t.Errorf("exit code %d, %s", code, errout.String())
	}
	if r := esmon(t, "status", "--data-dir", args[2]); !strings.Contains(r.errout, "no server runs") {
		t.Errorf("%+v", r)
	}
}
