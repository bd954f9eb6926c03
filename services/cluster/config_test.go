package cluster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/settings"
)

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	cfg := cluster.DefaultConfig()
	must(t, cfg.Validate())
}

func TestValidConfigs(t *testing.T) {
	t.Parallel()
	token := mtls.NewNodeToken(make([]byte, mtls.TokenRandom), [32]byte{}).String()
	for name, change := range map[string]func(*cluster.Config){
		"name":      func(c *cluster.Config) { c.Name = "storage-1.example" },
		"addresses": func(c *cluster.Config) { c.Control = []string{"10.0.0.5:8444", "[::1]:8444", "a.example:1"} },
		"dns":       func(c *cluster.Config) { c.Storage = []string{"dns:///storage.example:8444"} },
		"names":     func(c *cluster.Config) { c.Names = []string{"10.0.0.5", "::1", "esmon.example"} },
		"token":     func(c *cluster.Config) { c.JoinToken = settings.Secret(token) },
	} {
		cfg := cluster.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedConfigs(t *testing.T) {
	t.Parallel()
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("host-%d", i)
	}
	for _, c := range []struct {
		want   string
		change func(*cluster.Config)
	}{
		{`name: "A" cannot be`, func(c *cluster.Config) { c.Name = "A" }},
		{`address: "8444" is no address`, func(c *cluster.Config) { c.Address = "8444" }},
		{`address: "x!" is no port`, func(c *cluster.Config) { c.Address = "a:x!" }},
		{`names: "https://a" is neither`, func(c *cluster.Config) { c.Names = []string{"https://a"} }},
		{"names: there are 40", func(c *cluster.Config) { c.Names = many }},
		{`control: "a" is no address`, func(c *cluster.Config) { c.Control = []string{"a"} }},
		{`control: ":8444" is no address`, func(c *cluster.Config) { c.Control = []string{":8444"} }},
		{`storage: "0" is no port`, func(c *cluster.Config) { c.Storage = []string{"a:0"} }},
		{`collector: "dns:///a:1" stands for all`, func(c *cluster.Config) { c.Collector = []string{"b:1", "dns:///a:1"} }},
		{"join_token: this is not a join token", func(c *cluster.Config) { c.JoinToken = "secret" }},
		{"join_token_file: it is given as well", func(c *cluster.Config) {
			c.JoinToken, c.JoinTokenFile = "secret", "file"
		}},
		{"max_connections: must be at least 1", func(c *cluster.Config) { c.MaxConnections = 0 }},
		{"handshake_timeout: must be at least 1s", func(c *cluster.Config) { c.HandshakeTimeout = time.Millisecond }},
		{"drain_timeout: must be at least 1s", func(c *cluster.Config) { c.DrainTimeout = 0 }},
	} {
		cfg := cluster.DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		wantText(t, err, c.want)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the message shows the token: %v", err)
		}
	}
}

// A node with the authority's key needs no name: it is called after its host.
func TestDefaultName(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	host, err := os.Hostname()
	must(t, err)
	name := p.control.Name()
	if !mtls.ValidNodeName(name) || (len(host) < 40 && !strings.HasSuffix(name, "-control")) {
		t.Errorf("on host %q the name is %q", host, name)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, targets := range [][]string{nil, {""}, {"storage", "nothing"}, {"all", "storage"}} {
		_, err := p.open(t.TempDir(), cluster.DefaultConfig(), targets...)
		wantText(t, err, "targets: ", "all")
	}
	id, err := cluster.NewIdentity("n", []string{"storage", "collector", "storage"})
	if err != nil || strings.Join(id.Targets, ",") != "collector,storage" {
		t.Errorf("%v, %v", id, err)
	}
}
