package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/e2e/sink"
)

// startAlerting starts a server whose only receiver is the sink.
func startAlerting(t *testing.T, hook *sink.Webhook) *platform.Alone {
	t.Helper()
	files := writeAlerting(t, map[string]string{
		"routes.yaml":    "route:\n  receiver: sink\n  routes:\n    - matchers: [severity=\"none\"]\n      receiver: sink\n",
		"receivers.yaml": fmt.Sprintf("receivers:\n  - name: sink\n    webhook: {url: %q}\n", hook.URL()),
	})
	server, err := platform.StartAlone(t.Context(), binary(t, "ESMON_BIN"), t.TempDir(), "ESMON_ALERTING_FILES_DIR="+files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(server.Tail(6000))
		}
		_ = server.Close() // it is thrown away
	})
	return server
}

func newHook(t *testing.T) *sink.Webhook {
	t.Helper()
	hook, err := sink.NewWebhook()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hook.Close)
	return hook
}

// TestPrometheusSendsItsAlertsHere has a Prometheus server send what it fires, as to an
// Alertmanager: people are told, and told again when it is over.
func TestPrometheusSendsItsAlertsHere(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	server := startAlerting(t, hook)
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule := func(until time.Time) string {
		expr := fmt.Sprintf("vector(7) and on () (vector(time()) < %d)", until.Unix())
		return "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: FromPrometheus\n    expr: " + expr + "\n    labels: {severity: critical, host_name: elsewhere}\n    annotations: {summary: 'it is {{ $value }}'}\n"
	}
	write(filepath.Join(dir, "rules.yml"), rule(time.Now().Add(20*time.Second)))
	write(filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
alerting:
  alertmanagers:
  - path_prefix: /alertmanager
    static_configs: [{targets: [%q]}]
`, server.HTTP))
	prometheus := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0",
		"--rules.alert.resend-delay=1s") // what it sends before it has found where to goes nowhere
	var log bytes.Buffer
	prometheus.Stdout, prometheus.Stderr = &log, &log
	if err := prometheus.Start(); err != nil {
		t.Fatalf("start prometheus: %v; it is in Debian's package prometheus", err)
	}
	defer func() {
		_ = prometheus.Process.Kill()
		_ = prometheus.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	awaitTold(t, hook, "FromPrometheus", "firing")
	awaitTold(t, hook, "FromPrometheus", "resolved")
}

// awaitTold waits until the receiver was told the alert's status.
func awaitTold(t *testing.T, hook *sink.Webhook, name, status string) {
	t.Helper()
	eventually(t, 90*time.Second, name+" is told to be "+status, func() error {
		for _, m := range hook.Messages() {
			for _, a := range m.Alerts {
				if a.Labels["alertname"] == name && a.Status == status {
					return nil
				}
			}
		}
		return fmt.Errorf("%d messages came", len(hook.Messages()))
	})
}

// TestAmtool drives the server with Alertmanager's own tool.
func TestAmtool(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	server := startAlerting(t, hook)
	amtool := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "amtool", append([]string{"--alertmanager.url=" + server.URL() + "/alertmanager", "--no-version-check"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("amtool %v: %v\n%s%s; it is in Debian's package prometheus-alertmanager", args, err, out, &complaints)
		}
		return string(out)
	}
	has := func(out, what string) {
		t.Helper()
		if !strings.Contains(out, what) {
			t.Errorf("no %q in\n%s", what, out)
		}
	}
	amtool("alert", "add", "alertname=ByHand", "severity=critical", "host_name=db1", "--annotation=summary=somebody tries")
	awaitTold(t, hook, "ByHand", "firing")
	has(amtool("alert", "query", "host_name=db1"), "somebody tries")
	has(amtool("alert", "query", "host_name=db2"), "Summary")
	if out := amtool("alert", "query", "host_name=db2"); strings.Contains(out, "ByHand") {
		t.Errorf("a filter does not filter:\n%s", out)
	}
	id := strings.TrimSpace(amtool("silence", "add", `host_name=~"db.*"`, "severity!=info", "--author=me", "--comment=work", "--duration=1h"))
	has(amtool("silence", "query"), id)
	has(amtool("silence", "query", "host_name=db1"), "Comment")
	if out := amtool("alert", "query"); strings.Contains(out, "ByHand") {
		t.Errorf("what is silenced is listed as active:\n%s", out)
	}
	has(amtool("alert", "query", "--silenced"), "suppressed")
	has(amtool("silence", "update", "--duration=2h", id), "work")
	amtool("silence", "expire", id)
	has(amtool("alert", "query"), "ByHand")
	has(amtool("silence", "query", "--expired"), id)
	has(amtool("config", "routes"), "sink")
	has(amtool("config", "routes", "test", "severity=critical"), "sink")
	has(amtool("config", "show"), "route:")
	has(amtool("cluster", "show"), "disabled")
}
