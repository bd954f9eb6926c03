package check_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const composeFile = "../compose/compose.yaml"

// project loads the file as Compose does: schema, anchors, variables, references.
func project(t *testing.T) *types.Project {
	t.Helper()
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(composeFile),
		ConfigFiles: []types.ConfigFile{{Filename: composeFile}},
		Environment: map[string]string{},
	}
	p, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) { o.Profiles = []string{"*"} })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeServices(t *testing.T) {
	p := project(t)
	want := []string{"agent", "alerting-1", "alerting-2", "collector-1", "collector-2", "control", "dispatch-1", "gateway", "postgres", "rabbitmq", "storage-1", "storage-2"}
	if have := p.ServiceNames(); !slices.Equal(have, want) {
		t.Errorf("services %v, want %v", have, want)
	}
}

func TestComposeServicesAreBounded(t *testing.T) {
	for name, s := range project(t).Services {
		if s.MemLimit == 0 || s.StopGracePeriod == nil || s.Logging == nil {
			t.Errorf("%s: needs a memory limit, a time to stop and bounded logs", name)
		}
		if s.HealthCheck == nil && name != "agent" {
			t.Errorf("%s: has no health check", name)
		}
		if !esmonImage(s) {
			continue
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.User != "" || s.Privileged {
			t.Errorf("%s: must run read-only, without capabilities, as the image's own user", name)
		}
	}
}

// Whatever is published is for the host alone, except for the agents' ports.
func TestComposePortsArePublishedOnLoopback(t *testing.T) {
	seen := map[string]string{}
	for name, s := range project(t).Services {
		for _, port := range s.Ports {
			if other, ok := seen[port.Published]; ok {
				t.Errorf("%s and %s publish port %s", name, other, port.Published)
			}
			seen[port.Published] = name
			if agents := port.Target == 8443 && strings.HasPrefix(name, "collector"); port.HostIP != "127.0.0.1" && !agents {
				t.Errorf("%s publishes %d on %q, want 127.0.0.1", name, port.Target, port.HostIP)
			}
		}
		if s.NetworkMode == "host" && name != "gateway" {
			t.Errorf("%s uses the host's network", name)
		}
	}
}

func TestComposeSecretsByTarget(t *testing.T) {
	want := map[string][]string{
		"control": {"dsn-control"}, "gateway": {"join-gateway"}, "agent": nil,
		"collector-1": {"amqp-url", "dsn-collector", "join-collector-1"},
		"collector-2": {"amqp-url", "dsn-collector", "join-collector-2"},
		"storage-1":   {"amqp-url", "dsn-storage", "join-storage-1"},
		"storage-2":   {"amqp-url", "dsn-storage", "join-storage-2"},
		"alerting-1":  {"amqp-url", "dsn-alerting", "join-alerting-1", "link-key"},
		"alerting-2":  {"amqp-url", "dsn-alerting", "join-alerting-2", "link-key"},
		"dispatch-1":  {"amqp-url", "dsn-dispatch", "join-dispatch-1"},
		"rabbitmq":    {"rabbitmq-definitions"}, "postgres": {"postgres-passwords", "postgres-superuser"},
	}
	p := project(t)
	start, err := os.ReadFile("../compose/start")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range p.Services {
		var have []string
		for _, secret := range s.Secrets {
			have = append(have, secret.Source)
			file := filepath.Base(p.Secrets[secret.Source].File)
			family, _, _ := strings.Cut(file, "-") // dsn-control is written as dsn-$role
			if !strings.Contains(string(start), "put "+file) && !strings.Contains(string(start), "put "+family+"-$") && !strings.Contains(string(start), "| put "+file) {
				t.Errorf("%s: ./start does not write secrets/%s", name, file)
			}
		}
		slices.Sort(have)
		if !slices.Equal(have, want[name]) {
			t.Errorf("%s sees the secrets %v, want %v", name, have, want[name])
		}
	}
}

// The secrets of receivers are for those that send notifications.
func TestComposeReceivers(t *testing.T) {
	for name, s := range project(t).Services {
		has := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == "/run/receivers" })
		if sends := strings.HasPrefix(name, "alerting-") || strings.HasPrefix(name, "dispatch-"); has != sends {
			t.Errorf("%s: sees the secrets of receivers: %t", name, has)
		}
	}
}

// Every process of the platform has a volume of its own: the identity is in it.
func TestComposeVolumes(t *testing.T) {
	for name, s := range project(t).Services {
		own := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source == name && strings.HasPrefix(v.Target, "/var/lib/")
		})
		if !own {
			t.Errorf("%s: keeps its state in no volume of its own", name)
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s: mounts what is not there: %v", name, err)
				}
				if !v.ReadOnly {
					t.Errorf("%s: may write to %s", name, v.Source)
				}
			}
		}
	}
}

func TestComposeMemory(t *testing.T) {
	for name, s := range project(t).Services {
		if !esmonImage(s) || name == "agent" {
			continue
		}
		v := s.Environment["GOMEMLIMIT"]
		if v == nil {
			t.Errorf("%s: GOMEMLIMIT is not set", name)
			continue
		}
		if limit := mebibytes(t, *v); limit >= int64(s.MemLimit)*19/20 {
			t.Errorf("%s: GOMEMLIMIT of %d bytes must be below mem_limit, %d", name, limit, s.MemLimit)
		}
	}
}

func esmonImage(s types.ServiceConfig) bool { return strings.HasPrefix(s.Image, "localhost/esmon") }
