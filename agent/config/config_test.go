package config_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/config"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/builtin"
)

var update = flag.Bool("update", false, "write the reference of the settings")

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Source{File: file(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, config.Default()) {
		t.Errorf("an empty file changes the defaults: %+v", c)
	}
}

func TestAllIsTaken(t *testing.T) {
	t.Parallel()
	path := file(t, `# every kind of value
state_dir: /srv/agent
servers: [a.example:8443, "[::1]:8443"]
tls: {cipher: system}
log:
  # level: debug
spool:
  max_bytes: 2GiB
  max_age: 3d
uplink:
  window: 7
probes:
  off:
    - process
    - uptime
  intervals:
    cpu: 5s
    host: 1h30m
  filesystem:
    max_calls: 3
  network: {exclude: ""}
`)
	c, err := config.Load(config.Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.StateDir, want.Servers, want.Cipher = "/srv/agent", []string{"a.example:8443", "[::1]:8443"}, "system"
	want.SpoolMaxBytes, want.SpoolMaxAge, want.Window = 2<<30, 72*time.Hour, 7
	want.ProbesOff = []string{"process", "uptime"}
	want.Intervals = map[string]time.Duration{"cpu": 5 * time.Second, "host": 90 * time.Minute}
	want.Probes.Filesystem.MaxCalls, want.Probes.Network.Exclude = 3, ""
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	path := file(t, "log: {level: debug}\nspool: {max_bytes: 1MiB}\nservers: [file:1]\n")
	c, err := config.Load(config.Source{
		File:     path,
		Environ:  []string{"ESMON_AGENT_LOG_LEVEL=warn", "ESMON_AGENT_SERVERS=env:1, env:2", "ESMON_AGENT_PROBES_INTERVALS=cpu=5s,disk=1m", "ESMON_OTHER=1"},
		Settings: []config.FlagText{{Flag: "--log-level", Key: "log.level", Value: "error"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.LogLevel != "error" || c.SpoolMaxBytes != 1<<20 || !slices.Equal(c.Servers, []string{"env:1", "env:2"}) || c.Intervals["disk"] != time.Minute {
		t.Errorf("got %+v", c)
	}
}

// Each mistake alone, with the line and what is said of it.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"unknown setting", "spool:\n  max_byte: 1\n", "2: spool.max_byte: there is no such setting; here are: max_bytes, max_age"},
		{"unknown section", "\nspol:\n  max_bytes: 1\n", "2: spol: there is no such setting; here are: state_dir, server, servers, proxy, tls, log, spool, uplink, probes"},
		{"no section", "spool: 5\n", "1: spool: settings are expected here, as `name: value`"},
		{"no size", "spool:\n  max_bytes: much\n", "2: spool.max_bytes: \"much\" is no size"},
		{"negative size", "spool:\n  max_bytes: -5\n", "2: spool.max_bytes: \"-5\" is no size"},
		{"size too large", "spool:\n  max_bytes: 99999999TiB\n", "2: spool.max_bytes: \"99999999TiB\" is no size"},
		{"size too small", "spool:\n  max_bytes: 5\n", "2: spool.max_bytes: 5 is too small"},
		{"no duration", "spool:\n  max_age: 7\n", "2: spool.max_age: \"7\" is no duration"},
		{"no number", "uplink:\n  window: some\n", "2: uplink.window: \"some\" is no whole number"},
		{"out of range", "uplink:\n  window: 0\n", "2: uplink.window: 0 is out of range"},
		{"missing value", "uplink:\n  window:\n", "2: uplink.window: the value is missing"},
		{"list for a value", "state_dir: [a, b]\n", "1: state_dir: one value is expected"},
		{"section for a list", "servers: {a: 1}\n", "1: servers: a list is expected"},
		{"both keys", "server: a:1\nservers: [b:1]\n", "2: servers: it stands beside server, which means the same"},
		{"address of server", "log: {level: info}\nserver: a\n", "2: server: \"a\" is no address; write host:port"},
		{"twice", "servers: [a:1, b:1, a:1]\n", "1: servers: \"a:1\" stands twice"},
		{"SRV with a port", "servers: [srv:_esmon._tcp.example.com:8443]\n", "1: servers: \"srv:_esmon._tcp.example.com:8443\" is no name of SRV records"},
		{"too many", "servers: " + strings.Repeat("a:1,", 101) + "\n", "1: servers: 101 addresses are too many"},
		{"dial timeout", "uplink: {dial_timeout: 0s}\n", "1: uplink.dial_timeout: 0s is out of range"},
		{"section in a list", "servers:\n  - {a: 1}\n", "1: servers: entry 1: a plain value is expected"},
		{"no address", "servers: [a]\n", "1: servers: \"a\" is no address; write host:port"},
		{"no port", "servers: [\"a:99999\"]\n", "1: servers: \"a:99999\" is no address"},
		{"cipher", "tls: {cipher: rot13}\n", "1: tls.cipher: \"rot13\" is unknown; use chacha20 or system"},
		{"level", "log: {level: loud}\n", "1: log.level: \"loud\" is unknown; use debug, info, warn or error"},
		{"unknown probe", "probes:\n  off: [cpuu]\n", "2: probes.off: there is no probe \"cpuu\"; there are: connection, cpu,"},
		{"interval", "probes:\n  intervals:\n    cpu: 1ms\n", "2: probes.intervals: cpu: 1ms is out of range"},
		{"interval of nothing", "probes:\n  intervals:\n    cpu: fast\n", "2: probes.intervals: cpu: \"fast\" is no duration"},
		{"pattern", "probes:\n  disk:\n    exclude: \"(\"\n", "3: probes.disk.exclude: \"(\" is not a regular expression"},
		{"reconnect", "uplink: {reconnect_max: 1ms}\n", "1: uplink.reconnect_max: 1ms is too short"},
		{"two documents", "log: {level: info}\n---\nlog: {level: warn}\n", "3: a second YAML document"},
		{"no YAML", "spool: [\n", "this is no YAML"},
		{"tab", "spool:\n\tmax_age: 1d\n", "2: this is no YAML"},
		{"anchor", "log:\n  level: &a info\n", "2: log.level: a plain value is expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Source{File: file(t, c.text)})
			var ps config.Problems
			if !errors.As(err, &ps) || len(ps) != 1 {
				t.Fatalf("error is %v; want one problem", err)
			}
			if _, message, _ := strings.Cut(err.Error(), "agent.yaml:"); !strings.HasPrefix(message, c.want) && !strings.Contains(message, "this is no YAML") {
				t.Errorf("got  %s\nwant …%s", err, c.want)
			}
			if !strings.Contains(err.Error(), c.want[strings.IndexByte(c.want, ':')+1:]) {
				t.Errorf("got  %s\nwant …%s", err, c.want)
			}
		})
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"server: a.example:8443":                       {"a.example:8443"},
		"servers: a.example:8443":                      {"a.example:8443"},
		"servers: a:1, b:2 ,[::1]:3":                   {"a:1", "b:2", "[::1]:3"},
		"servers:\n  - a:1\n  - srv:_esmon._tcp.b.c\n": {"a:1", "srv:_esmon._tcp.b.c"},
	} {
		c, err := config.Load(config.Source{File: file(t, text)})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !slices.Equal(c.Servers, want) {
			t.Errorf("%s: got %q", text, c.Servers)
		}
	}
	c, err := config.Load(config.Source{File: file(t, "server: file:1"), Environ: []string{"ESMON_AGENT_SERVERS=env:1,env:2"}})
	if err != nil || !slices.Equal(c.Servers, []string{"env:1", "env:2"}) {
		t.Errorf("the environment does not win over the file: %q, %v", c.Servers, err)
	}
}

// Whatever is wrong with it, the setting of the proxy is never shown.
func TestProxyIsNotShown(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"http://user:geheim@proxy:3128", "https://user:geheim@[::1]:443", "socks5://user:geheim@proxy", "user:geheim@proxy:3128",
		"http://user:geheim%zz@proxy", "http://user:geheim@proxy/path", "http://user:geheim@:3128",
	} {
		c, err := config.Load(config.Source{File: file(t, "proxy: \""+value+"\"\n")})
		if text := fmt.Sprintf("%v %+v %#v", err, c, c); strings.Contains(text, "geheim") {
			t.Errorf("%s is shown in %s", value, text)
		}
		good := strings.HasPrefix(value, "http") && !strings.ContainsAny(value, "%") && !strings.Contains(value, "/path") && !strings.Contains(value, "@:")
		if good != (err == nil) {
			t.Errorf("%s: error is %v", value, err)
		}
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	t.Parallel()
	path := file(t, "spool:\n  max_bytes: 5\n  max_agee: 3d\nservers: [a]\n")
	_, err := config.Load(config.Source{
		File: path, Environ: []string{"ESMON_AGENT_UPLINK_WINDOW=x"},
		Settings: []config.FlagText{{Flag: "--set", Key: "nonsense", Value: "1"}, {Flag: "--log-level", Key: "log.level", Value: "loud"}},
	})
	want := []string{
		"--log-level: log.level: ", "--set: nonsense: there is no such setting",
		path + ":2: spool.max_bytes: ", path + ":3: spool.max_agee: ", path + ":4: servers: ", "ESMON_AGENT_UPLINK_WINDOW: uplink.window: ",
	}
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	slices.Sort(lines)
	slices.Sort(want)
	if len(lines) != len(want) {
		t.Fatalf("%d problems, want %d:\n%s", len(lines), len(want), err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("got  %s\nwant %s…", lines[i], w)
		}
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(config.Source{File: "/nowhere/agent.yaml"}); err == nil || !strings.Contains(err.Error(), "/nowhere/agent.yaml") {
		t.Errorf("error is %v", err)
	}
}

func TestProbeNamesAreComplete(t *testing.T) {
	t.Parallel()
	probes, err := builtin.All(probe.Env{}, builtin.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		if !slices.Contains(config.ProbeNames(), p.Name()) {
			t.Errorf("probe %s cannot be switched off", p.Name())
		}
	}
}

// The reference in docs/agent.md is made of the declarations: go test -update.
func TestReference(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- settings: made by go test ./agent/config -update -->\n", "<!-- end of settings -->\n"
	path := filepath.Join("..", "..", "docs", "agent.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	have, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatal("docs/agent.md has no place for the settings")
	}
	var want bytes.Buffer
	want.WriteString("| setting | default | what it does |\n|---|---|---|\n")
	for _, s := range config.Settings() {
		value := "`" + strings.ReplaceAll(s.Default, "|", `\|`) + "`"
		if s.Default == "" {
			value = ""
		}
		if s.Key == "state_dir" {
			value = "by system, see above"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", s.Key, value, s.Help)
	}
	if *update {
		text := string(head) + begin + want.String() + end + string(tail)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(have, want.Bytes()) {
		t.Error("docs/agent.md does not show the settings as they are: run go test ./agent/config -update")
	}
}

func FuzzYAML(f *testing.F) {
	f.Add("spool: {max_bytes: 1MiB}\n")
	f.Add("a: &x\n  - *x\n")
	f.Add("probes:\n  intervals:\n    ? [a]\n    : b\n")
	f.Add("servers: [a: b]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "agent.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Skip()
		}
		_, err := config.Load(config.Source{File: path}) // must not panic
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}
