package packaging_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/app"
)

// unit is a systemd unit or drop-in: its lines by section and key, in their order.
type unit map[string][]string

func parseUnit(t *testing.T, path string) unit {
	t.Helper()
	u, section := unit{}, ""
	lines := bufio.NewScanner(strings.NewReader(read(t, path)))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Fatalf("%s: %q is no setting", path, line)
			}
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u
}

func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s: stands %d times, want once", key, len(u[key]))
	}
	return u[key][0]
}

func TestEveryTargetHasADropIn(t *testing.T) {
	t.Parallel()
	var have []string
	for _, path := range glob(t, "systemd/esmon@*.service.d") {
		_, name, _ := strings.Cut(filepath.Base(path), "@")
		have = append(have, strings.TrimSuffix(name, ".service.d"))
	}
	want := slices.Sorted(slices.Values(targets))
	if !slices.Equal(have, want) {
		t.Errorf("drop-ins for %v, want %v", have, want)
	}
}

// A drain that the program still grants itself must not be cut off by the system.
func TestStoppingHasTime(t *testing.T) {
	t.Parallel()
	u := parseUnit(t, "systemd/esmon@.service")
	seconds, err := strconv.Atoi(u.one(t, "Service.TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	if granted, needed := time.Duration(seconds)*time.Second, app.DefaultConfig().StopTimeout; granted < needed+10*time.Second {
		t.Errorf("TimeoutStopSec of %s must be 10s above stop_timeout, %s", granted, needed)
	}
	if restart := u.one(t, "Service.Restart"); restart != "always" {
		t.Errorf("Restart=%s", restart)
	}
}

// What a drop-in sets in the environment must be a setting, and the file behind it
// a credential of the same drop-in.
func TestCredentialsReachTheirSettings(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"control": {"postgres-dsn"}, "collector": {"amqp-url", "postgres-dsn"}, "storage": {"amqp-url", "postgres-dsn"}, "gateway": nil,
		"alerting": {"amqp-url", "link-key", "postgres-dsn"}, "dispatch": {"amqp-url", "postgres-dsn"},
	}
	known := variables()
	for target, credentials := range want {
		u := parseUnit(t, "systemd/esmon@"+target+".service.d/target.conf")
		var have []string
		for _, c := range u["Service.LoadCredential"] {
			name, file, _ := strings.Cut(c, ":")
			have = append(have, name)
			if !strings.HasPrefix(file, "/etc/esmon/secrets/") {
				t.Errorf("%s: credential %s comes from %s", target, name, file)
			}
		}
		slices.Sort(have)
		if !slices.Equal(have, credentials) {
			t.Errorf("%s gets %v, want %v", target, have, credentials)
		}
		for _, e := range u["Service.Environment"] {
			name, value, _ := strings.Cut(e, "=")
			if name == "GOMEMLIMIT" {
				continue
			}
			if !known[name] {
				t.Errorf("%s: %s is the variable of no setting", target, name)
			}
			if file, ok := strings.CutPrefix(value, "%d/"); !ok || !slices.Contains(credentials, file) {
				t.Errorf("%s: %s names no credential: %s", target, name, value)
			}
		}
	}
}

// Only those that send notifications reach the secrets of receivers.
func TestReceiversSecretsAreHidden(t *testing.T) {
	t.Parallel()
	if hidden := parseUnit(t, "systemd/esmon@.service")["Service.InaccessiblePaths"]; !slices.Equal(hidden, []string{"-/etc/esmon/receivers"}) {
		t.Errorf("the template hides %v, want the secrets of receivers", hidden)
	}
	for _, target := range targets {
		again := parseUnit(t, "systemd/esmon@"+target+".service.d/target.conf")["Service.InaccessiblePaths"]
		if opens, sends := slices.Equal(again, []string{""}), target == "alerting" || target == "dispatch"; opens != sends || !opens && again != nil {
			t.Errorf("%s: InaccessiblePaths=%v", target, again)
		}
	}
}

// The runtime's limit lies below the one at which the kernel slows the process
// down, and that below the one at which it kills.
func TestMemoryLimitsAreInOrder(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		u := parseUnit(t, "systemd/esmon@"+target+".service.d/target.conf")
		var soft int64
		for _, e := range u["Service.Environment"] {
			if text, ok := strings.CutPrefix(e, "GOMEMLIMIT="); ok {
				soft = memory(t, text)
			}
		}
		high, hard := memory(t, u.one(t, "Service.MemoryHigh")), memory(t, u.one(t, "Service.MemoryMax"))
		if soft <= 0 || soft >= high || high >= hard {
			t.Errorf("%s: GOMEMLIMIT %d, MemoryHigh %d, MemoryMax %d: each must be below the next", target, soft, high, hard)
		}
	}
}

func memory(t *testing.T, text string) int64 {
	t.Helper()
	m := regexp.MustCompile(`^(\d+)(M|MiB|G)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is no size", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if m[2] == "G" {
		return n << 30
	}
	return n << 20
}

// TestUnitsVerify has systemd itself read the units; programs stand in for those
// that they start, which are not installed here.
func TestUnitsVerify(t *testing.T) {
	t.Parallel()
	analyze := systemd(t, "systemd-analyze")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("systemd")); err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile(`/usr/bin/esmon(-agent)?\b`)
	for _, file := range glob(t, filepath.Join(dir, "*.service")) {
		text := program.ReplaceAllString(read(t, file), "/bin/true")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	units := []string{"esmon.target", "esmon-agent.service"}
	for _, target := range targets {
		units = append(units, "esmon@"+target+".service")
	}
	for _, u := range units {
		cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", u)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		// It exits 0 on unknown keys, too, and only says so.
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify %s: %v\n%s", u, err, out)
		}
	}
}

// TestUnitsAreClosed compares systemd's own estimate of what a unit leaves open,
// from 0 (nothing) to 10, with what was reached.
func TestUnitsAreClosed(t *testing.T) {
	t.Parallel()
	analyze := systemd(t, "systemd-analyze")
	root := t.TempDir()
	dir := filepath.Join(root, "etc/systemd/system")
	if err := os.CopyFS(dir, os.DirFS("systemd")); err != nil {
		t.Fatal(err)
	}
	for u, tenths := range map[string]int{"esmon@storage.service": 15, "esmon@dispatch.service": 15, "esmon@gateway.service": 15, "esmon-agent.service": 35} {
		cmd := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold="+strconv.Itoa(tenths), "--root="+root, u)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s leaves more open than %.1f of 10: %v\n%s", u, float64(tenths)/10, err, out)
		}
	}
}

// TestAccountAndFolders has systemd make the user and the folders, below another
// root.
func TestAccountAndFolders(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give folders to another user")
	}
	sysusers, tmpfiles := systemd(t, "systemd-sysusers"), systemd(t, "systemd-tmpfiles")
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{sysusers, "systemd/sysusers.d/esmon.conf"}, {tmpfiles, "--create", "systemd/tmpfiles.d/esmon.conf"}} {
		file, err := filepath.Abs(args[len(args)-1])
		if err != nil {
			t.Fatal(err)
		}
		args = append(append(args[:len(args)-1:len(args)-1], "--root="+root), file)
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	for path, want := range map[string]os.FileMode{"etc/esmon": 0o750, "etc/esmon/secrets": 0o700, "etc/esmon/join": 0o700, "etc/esmon/alerting": 0o750, "etc/esmon/receivers": 0o750, "var/lib/esmon": 0o711} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("/%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

// systemd finds a program of systemd. Where there is none, units are not used.
func systemd(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: units are not used on this system", name)
	}
	return path
}
