package packaging_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// A record of what RabbitMQ's plugin rabbitmq_prometheus offers.
	brokerMetrics = "monitoring/testdata/rabbitmq-3.10.8-metrics.txt"
	metricName    = regexp.MustCompile(`\b(rabbitmq|erlang|esmon|process|go)_[a-z0-9_]+`)
)

func TestRulesAreRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is needed, of the package prometheus: %v", err)
	}
	files := glob(t, "monitoring/*.rules.yaml")
	out, err := exec.CommandContext(t.Context(), promtool, append([]string{"check", "rules"}, files...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A metric that nobody offers would be an alert that never comes.
func TestRulesUseMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	broker := strings.Fields(read(t, brokerMetrics))
	labels := []string{"rabbitmq_cluster_permanent_id", "rabbitmq_cluster", "rabbitmq_node", "rabbitmq_prometheus"}
	own := read(t, "../../docs/platform-metrics.md")
	for _, file := range append(glob(t, "monitoring/*.rules.yaml"), "../../docs/monitoring-the-platform.md") {
		for _, name := range metricName.FindAllString(read(t, file), -1) {
			known := !strings.HasPrefix(file, "monitoring/") || !strings.HasPrefix(name, "esmon_") || strings.Contains(own, "`"+name+"`")
			if strings.HasPrefix(name, "rabbitmq_") || strings.HasPrefix(name, "erlang_") {
				known = slices.Contains(broker, name) || slices.Contains(labels, name)
			}
			if !known {
				t.Errorf("%s: nobody offers a metric %s", file, name)
			}
		}
	}
}

// Every rule is explained, and nothing is that there is not.
func TestRulesAreExplained(t *testing.T) {
	t.Parallel()
	page := read(t, "../../docs/monitoring-the-platform.md")
	alert := regexp.MustCompile(`(?m)^\s+- alert: (\w+)$`)
	for _, file := range glob(t, "monitoring/*.rules.yaml") {
		for _, m := range alert.FindAllStringSubmatch(read(t, file), -1) {
			if !strings.Contains(page, "`"+m[1]+"`") {
				t.Errorf("docs/monitoring-the-platform.md: says nothing about %s of %s", m[1], file)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^SELECT '([^']+)' AS problem`).FindAllStringSubmatch(read(t, "monitoring/postgresql.sql"), -1) {
		if !strings.Contains(page, "| "+m[1]+" |") {
			t.Errorf("docs/monitoring-the-platform.md: says nothing about %q of postgresql.sql", m[1])
		}
	}
}
