package packaging_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Names on the broker, and names that are none of the platform's business.
var (
	ourQueues = []string{"metrics.ingest", "metrics.ingest-0", "metrics.ingest-63", "alerts.dispatch", "alerts.dispatch.dead", "alerts.dispatch.retry-1s", "alerts.dispatch.retry-900s"}
	others    = []string{"metrics", "metrics.ingest.other", "metricsXingest", "metrics.ingest-", "metrics.ingest-0x", "alerts.dispatch.deadly", "alerts.dispatch.retry-", "alerts.dispatch.retry-s", "alerts.dispatch.retry-5m", "alerts.dispatchXretry-5s", "alerts.dispatch.retry-5s.dead", "alerts", "orders", "amq.direct", "amq.topic", ""}
)

// definitions is what the broker of the Compose file loads.
type definitions struct {
	Vhosts      []struct{ Name string }
	Users       []struct{ Name, Tags string }
	Permissions []struct{ User, Vhost, Configure, Write, Read string }
}

func TestBrokerPermissions(t *testing.T) {
	t.Parallel()
	var d definitions
	if err := json.Unmarshal([]byte(read(t, "rabbitmq/definitions.json")), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Users) != 1 || d.Users[0].Tags != "" || len(d.Permissions) != 1 || d.Permissions[0].User != d.Users[0].Name || d.Permissions[0].Vhost != d.Vhosts[0].Name {
		t.Fatalf("want one user without tags who has rights in the one virtual host: %+v", d)
	}
	p := d.Permissions[0]
	for name, pattern := range map[string]string{"configure": p.Configure, "write": p.Write, "read": p.Read} {
		allowed := regexp.MustCompile(pattern)
		for _, q := range ourQueues {
			if !allowed.MatchString(q) {
				t.Errorf("%s refuses %q", name, q)
			}
		}
		for _, q := range others {
			if allowed.MatchString(q) {
				t.Errorf("%s allows %q", name, q)
			}
		}
		// Publishing goes through the default exchange, which nobody configures.
		if have := allowed.MatchString("amq.default"); have != (name == "write") {
			t.Errorf("%s of the default exchange: %t", name, have)
		}
	}
}

// The script that sets up a cluster grants what the definitions do.
func TestSetupGrantsTheSame(t *testing.T) {
	t.Parallel()
	var d definitions
	if err := json.Unmarshal([]byte(read(t, "rabbitmq/definitions.json")), &d); err != nil {
		t.Fatal(err)
	}
	script := read(t, "rabbitmq/setup")
	m := regexp.MustCompile(`(?m)^names='(.*)'$`).FindStringSubmatch(script)
	grant := regexp.MustCompile(`set_permissions -p esmon esmon "(.*)" "(.*)" "(.*)"`).FindStringSubmatch(script)
	if m == nil || grant == nil {
		t.Fatal("rabbitmq/setup grants nothing")
	}
	p := d.Permissions[0]
	for i, want := range []string{p.Configure, p.Write, p.Read} {
		if have := strings.ReplaceAll(grant[i+1], "$names", m[1]); have != want {
			t.Errorf("right %d: setup grants %s, definitions.json %s", i+1, have, want)
		}
	}
}
