package service

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var spec = Spec{Executable: `/opt/a b/esmon-agent`, Config: `/etc/100%/"a$b".yaml`, StateDir: "/var/lib/esmon-agent"}

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := systemdUnit(spec)
	for _, want := range []string{
		`ExecStart="/opt/a b/esmon-agent" "run" "--state-dir" "/var/lib/esmon-agent" "--config" "/etc/100%%/\"a$$b\".yaml"` + "\n",
		"\nNoNewPrivileges=yes\n", "\nProtectSystem=strict\n", "\nReadWritePaths=\"/var/lib/esmon-agent\"\n", "\nRestart=always\n",
		"\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE\n", "\nWantedBy=multi-user.target\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %q:\n%s", want, unit)
		}
	}
}

// systemd itself reads the unit, where it is installed.
func TestSystemdAcceptsUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed here: only the text was checked")
		return
	}
	path := filepath.Join(t.TempDir(), Name+".service")
	s := spec
	s.Executable, s.Config = "/bin/true", ""
	if err := os.WriteFile(path, []byte(systemdUnit(s)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput() //nolint:gosec // the system's own tool
	if strings.Contains(string(out), path) || err != nil && strings.Contains(string(out), "esmon") {
		t.Errorf("systemd-analyze: %v: %s", err, out)
	}
}

func TestLaunchdPlist(t *testing.T) {
	t.Parallel()
	s := spec
	s.StateDir = "/a<b>&c"
	plist := launchdPlist(s)
	d := xml.NewDecoder(strings.NewReader(plist))
	var words []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the plist is no XML: %v\n%s", err, plist)
		}
		if text, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			words = append(words, string(text))
		}
	}
	all := strings.Join(words, "|")
	if !strings.Contains(all, `ProgramArguments|/opt/a b/esmon-agent|run|--state-dir|/a<b>&c|--config|/etc/100%/"a$b".yaml|RunAtLoad`) {
		t.Errorf("the arguments are wrong: %s", all)
	}
}
