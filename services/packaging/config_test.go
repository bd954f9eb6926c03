package packaging_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/app"
)

func TestConfigurationsAreGood(t *testing.T) {
	t.Parallel()
	for _, d := range deployments(t) {
		for _, target := range targets {
			file := filepath.Join(t.TempDir(), target+".yaml")
			if err := os.WriteFile(file, []byte(d.configs[target]), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out := esmon(t, nil, "serve", "--check-config", "--config", file)
			if code != 0 {
				t.Errorf("%s, %s: %s", d.name, target, out)
			}
			if have := parsed(t, file, d.configs[target]).Targets; !slices.Equal(have, []string{target}) {
				t.Errorf("%s, %s: runs %v", d.name, target, have)
			}
		}
		if n := len(d.configs); n != len(targets) {
			t.Errorf("%s has %d configurations, want one a target: %v", d.name, n, slices.Sorted(maps.Keys(d.configs)))
		}
	}
}

// Secrets come from files of their own, never from a configuration.
func TestConfigurationsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	for _, d := range deployments(t) {
		for target, text := range d.configs {
			cfg := parsed(t, d.name, text)
			if cfg.DB.DSN != "" || cfg.Bus.URL != "" || cfg.Cluster.JoinToken != "" {
				t.Errorf("%s, %s: holds a secret", d.name, target)
			}
			if target != "control" && cfg.Cluster.JoinTokenFile == "" && d.name != "kubernetes" {
				t.Errorf("%s, %s: says nowhere where its join token is", d.name, target)
			}
		}
	}
}

// The gateway, which people talk to, can reach neither broker nor database.
func TestGatewayHasNoEngines(t *testing.T) {
	t.Parallel()
	for _, d := range deployments(t) {
		cfg := parsed(t, d.name, d.configs["gateway"])
		if cfg.DB.Kind == app.DBPostgres || cfg.Bus.Kind == app.BusAMQP {
			t.Errorf("%s: the gateway's configuration names an engine", d.name)
		}
	}
}

// HTTP is on loopback, whatever the deployment.
func TestHTTPIsOnLoopback(t *testing.T) {
	t.Parallel()
	for _, d := range deployments(t) {
		for target, text := range d.configs {
			host, _, err := net.SplitHostPort(parsed(t, d.name, text).HTTP.Address)
			if err != nil || host != "127.0.0.1" {
				t.Errorf("%s, %s: HTTP listens on %q (%v)", d.name, target, host, err)
			}
		}
	}
}

// Processes on one host listen on ports of their own, and the others are told
// these.
func TestPortsOfTheThreeNodeExample(t *testing.T) {
	t.Parallel()
	d := deployments(t)[0]
	internal, seen := map[string]string{}, map[string]string{}
	for _, target := range targets {
		cfg := parsed(t, target, d.configs[target])
		internal[target] = portOf(t, cfg.Cluster.Address)
		taken := []string{internal[target], portOf(t, cfg.HTTP.Address)}
		if target == "collector" {
			taken = append(taken, portOf(t, cfg.GRPC.Address))
		}
		for _, port := range taken {
			if other, ok := seen[port]; ok {
				t.Errorf("%s and %s both listen on port %s", target, other, port)
			}
			seen[port] = target
		}
	}
	for _, target := range targets {
		c := parsed(t, target, d.configs[target]).Cluster
		for to, list := range map[string][]string{"control": c.Control, "storage": c.Storage, "collector": c.Collector, "alerting": c.Alerting} {
			for _, address := range list {
				if port := portOf(t, address); port != internal[to] {
					t.Errorf("%s calls %s at %s, which listens on port %s", target, to, address, internal[to])
				}
			}
		}
	}
	guide := read(t, "../../docs/deployment.md")
	for port, target := range seen {
		if !strings.Contains(guide, "| "+port+" |") {
			t.Errorf("docs/deployment.md: port %s of %s is not in the table of ports", port, target)
		}
	}
}

// In Kubernetes every pod has an address of its own: one port for all, the one of
// the headless services.
func TestPortsOfKubernetes(t *testing.T) {
	t.Parallel()
	d := deployments(t)[2]
	for _, target := range targets {
		c := parsed(t, target, d.configs[target]).Cluster
		if c.Address != ":8444" {
			t.Errorf("%s: internal port on %s, want :8444", target, c.Address)
		}
		for to, list := range map[string][]string{"control": c.Control, "storage": c.Storage, "collector": c.Collector, "alerting": c.Alerting} {
			if want := fmt.Sprintf("dns:///esmon-%s:8444", to); len(list) > 0 && !slices.Equal(list, []string{want}) {
				t.Errorf("%s calls %s at %v, want %s", target, to, list, want)
			}
		}
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
