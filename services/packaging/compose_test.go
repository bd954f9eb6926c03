package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// standIn is a Compose that starts nothing: it writes down what it is asked, and
// gives the tokens that control would.
const standIn = `#!/bin/sh
echo "$*" >>"$RECORD"
case "$*" in
*"node token create"*) echo "esmonnode1.token for $*" ;;
*"token create"*) echo "esmon1.token" ;;
esac
`

// TestComposeStart runs the script twice: everything is made in order the first
// time, and nothing that is there is changed the second.
func TestComposeStart(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give the secrets to the users in the containers")
	}
	dir := t.TempDir()
	for _, d := range []string{"compose", "rabbitmq"} {
		if err := os.CopyFS(filepath.Join(dir, d), os.DirFS(d)); err != nil {
			t.Fatal(err)
		}
	}
	program, record := filepath.Join(dir, "standin"), filepath.Join(dir, "record")
	if err := os.WriteFile(program, []byte(standIn), 0o700); err != nil {
		t.Fatal(err)
	}
	start := func() string {
		cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "compose/start"))
		cmd.Env = append(os.Environ(), "COMPOSE="+program, "RECORD="+record)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		asked := read(t, record)
		if err := os.Remove(record); err != nil {
			t.Fatal(err)
		}
		return asked
	}

	asked := start()
	last := -1
	for _, step := range []string{
		"up -d --wait rabbitmq postgres\n", "up -d control\n", "health --http 127.0.0.1:8080 --alive\n",
		"node token create --name collector-1 --target collector\n", "node token create --name storage-2 --target storage\n",
		"node token create --name alerting-2 --target alerting\n", "node token create --name dispatch-1 --target dispatch\n",
		"node token create --name gateway --target gateway\n", "up -d --wait\n", "token create --ttl 10m\n", "agent enroll --server", "up -d agent\n",
	} {
		at := strings.Index(asked, step)
		if at <= last {
			t.Errorf("%q is missing or too early in\n%s", strings.TrimSpace(step), asked)
		}
		last = at
	}
	before := secrets(t, dir)
	for name, want := range map[string]string{
		"amqp-url": `^amqp://esmon:[0-9a-f]{48}@rabbitmq:5672/esmon\n$`, "dsn-storage": `^postgres://esmon_storage:[0-9a-f]{48}@postgres:5432/esmon\?sslmode=disable\n$`,
		"postgres-superuser": `^[0-9a-f]{48}\n$`, "postgres-passwords.sql": `^(ALTER ROLE esmon_[a-z]+ PASSWORD '[0-9a-f]{48}';\n){5}\n?$`, "dsn-dispatch": `^postgres://esmon_dispatch:`, "link-key": `^[0-9a-f]{48}\n$`,
		"rabbitmq-definitions.json": `"password_hash": "[A-Za-z0-9+/]{48}"`, "join-collector-2": `^esmonnode1\.token for .*--name collector-2`,
	} {
		if !regexp.MustCompile(want).MatchString(before[name]) {
			t.Errorf("secrets/%s: %q does not match %s", name, before[name], want)
		}
	}

	if again := start(); strings.Contains(again, "token create") {
		t.Errorf("the second run makes tokens anew:\n%s", again)
	}
	for name, text := range secrets(t, dir) {
		if text != before[name] {
			t.Errorf("secrets/%s changed with the second run", name)
		}
	}
}

// secrets returns the files, and holds each to be its owner's alone.
func secrets(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range glob(t, filepath.Join(dir, "compose/secrets/*")) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		text := read(t, file)
		if info.Mode().Perm()&0o077 != 0 || text != "" && owner == 0 {
			t.Errorf("%s: mode %o, owner %d; want that of the container alone", file, info.Mode().Perm(), owner)
		}
		out[filepath.Base(file)] = text
	}
	return out
}
