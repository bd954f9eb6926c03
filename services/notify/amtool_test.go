package notify_test

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/notify"
)

// amtool runs Alertmanager's own tool.
func amtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("amtool")
	if err != nil {
		t.Fatal("amtool is not installed; install it with: .tools/install-packages prometheus-alertmanager")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).Output() // warnings go elsewhere
	return strings.TrimSpace(string(out)), err
}

// receivers is what our routes say about labels, as amtool writes it.
func receivers(cfg *notify.Config, ls metric.Labels) string {
	var names []string
	for _, m := range notify.New(cfg, notify.Options{}).TestRoute(ls, start) {
		names = append(names, m.Receivers...)
	}
	return strings.Join(names, ",")
}

func compareRouting(t *testing.T, file string, cfg *notify.Config, ls metric.Labels) {
	t.Helper()
	args := []string{"config", "routes", "test", "--config.file=" + file}
	for _, l := range ls {
		args = append(args, l.Name+"="+l.Value)
	}
	want, err := amtool(t, args...)
	if err != nil {
		t.Fatalf("amtool %s: %v: %s", args, err, want)
	}
	if got := receivers(cfg, ls); got != want {
		t.Errorf("%v goes to %s; Alertmanager sends it to %s", ls, got, want)
	}
}

func TestRoutingIsThatOfAlertmanager(t *testing.T) {
	t.Parallel()
	for name, text := range corpus(t) {
		cfg, _ := notify.Parse([]byte(sections(text)), name, nil)
		if cfg == nil {
			continue // as Alertmanager has it: TestCorpus
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			// Receivers without settings: those of newer versions amtool may not know.
			text := sections(text) + "\nreceivers:\n"
			for receiver := range names(cfg.Route, map[string]bool{}) {
				text += fmt.Sprintf("- name: %q\n", receiver)
			}
			file := filepath.Join(t.TempDir(), "alertmanager.yml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, ls := range []string{
				"service=foo1,severity=critical", "service=xfoo1", "service=files", "service=database,owner=team-X",
				"service=database,owner=team-Y,owner2=team-X", "service=database", "test=1", "test=2", "alertname=Watchdog",
			} {
				compareRouting(t, file, cfg, labels(ls))
			}
		})
	}
}

// names adds the receivers of a route and of those below it.
func names(r *notify.Route, all map[string]bool) map[string]bool {
	all[r.Receiver] = true
	for _, child := range r.Routes {
		names(child, all)
	}
	return all
}

// Made-up trees go as deep, and have as many routes that continue, as it takes.
func TestRoutingOfRandomTrees(t *testing.T) {
	t.Parallel()
	for seed := range int64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewSource(seed))
			count := 0
			text := "route:\n  receiver: r0\n" + randomRoutes(random, 2, 3, &count)
			cfg := mustParse(t, text)
			text += "receivers:\n"
			for i := range count + 1 {
				text += fmt.Sprintf("- name: r%d\n", i)
			}
			file := filepath.Join(t.TempDir(), "alertmanager.yml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 6 {
				ls := metric.NewLabels(
					metric.Label{Name: "a", Value: []string{"", "x", "y", "xy"}[random.Intn(4)]},
					metric.Label{Name: "b", Value: []string{"", "x", "y", "z z"}[random.Intn(4)]},
					metric.Label{Name: "c", Value: "1"})
				compareRouting(t, file, cfg, ls)
			}
		})
	}
}

func randomRoutes(random *rand.Rand, indent, depth int, count *int) string {
	if depth == 0 {
		return ""
	}
	pad := strings.Repeat(" ", indent)
	text := pad + "routes:\n"
	for range 1 + random.Intn(3) {
		*count++
		matcher := []string{
			`a="x"`, `a!="x"`, `b=~"x|y"`, `b!~"x.*"`, `a=~".+"`, `b=z z`, `c="1"`, `a=""`, `a =~ x.?`,
		}[random.Intn(9)]
		text += fmt.Sprintf("%s- matchers: ['%s']\n%s  receiver: r%d\n", pad, matcher, pad, *count)
		if random.Intn(2) == 0 {
			text += pad + "  continue: true\n"
		}
		if random.Intn(2) == 0 {
			text += randomRoutes(random, indent+2, depth-1, count)
		}
	}
	return text
}

// What amtool finds wrong we find wrong, too.
func TestAlertmanagerRefusesTheSame(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"route: {receiver: r, routes: [{matchers: ['a=~\"(\"']}]}",
		"route: {receiver: r, group_by: [a, a]}",
		"route: {receiver: r, group_by: [a, '...']}",
		"route: {receiver: r, group_interval: 0s}",
		"route: {receiver: r, matchers: [a=b]}",
		"route: {receiver: r, routes: [{mute_time_intervals: [x]}]}",
		"route: {receiver: r, unknown: x}",
		"route: {}",
		times("weekdays: ['friday:monday']"), times("days_of_month: ['-1:3']"), times("days_of_month: ['30:-30']"),
		times("times: [{start_time: '24:01', end_time: '24:02'}]"), times("months: ['march:january']"), times("location: Mars"),
		"route: {receiver: r}\ninhibit_rules: [{equal: [a-b]}]",
	} {
		text = strings.ReplaceAll(text, "receiver: ops", "receiver: r")
		file := filepath.Join(t.TempDir(), "alertmanager.yml")
		if err := os.WriteFile(file, []byte(text+"\nreceivers: [{name: r}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := amtool(t, "check-config", file); err == nil {
			t.Errorf("Alertmanager takes %q: %s", text, out)
		}
		if cfg, _ := notify.Parse([]byte(text), "routes.yaml", nil); cfg != nil {
			t.Errorf("we take %q", text)
		}
	}
}
