package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/settings"
)

// TestMistakesInSettings sets each setting of this package to what cannot work.
func TestMistakesInSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ setting, text, want string }{
		{"data_dir", "", "is empty; name a directory"},
		{"targets", "collector,dispatcher", `there is no "dispatcher"; write all, or some of control, collector, storage, alerting, dispatch, gateway, relay`},
		{"targets", "all,storage", "all stands alone"},
		{"targets", "collector,relay", "relay stands alone; it is for hosts that reach collectors only"},
		{"bus.kind", "kafka", `"kafka" is no choice; write sqlite or amqp`},
		{"db.kind", "oracle", `"oracle" is no choice; write sqlite or postgres`},
		{"stop_timeout", "900ms", "900ms is too short; write 1s or more"},
		{"log.level", "loud", `"loud" is no level; write debug, info, warn or error`},
		{"log.format", "xml", `"xml" is no format; write text or json`},
		{"tls.cipher", "rot13", `"rot13" is no choice; write chacha20 or system`},
		{"grpc.address", "8443", `"8443" is no address; write host:port, such as 127.0.0.1:8443 or :8443`},
		{"grpc.address", ":99999", `"99999" is no port; write a number up to 65535, or 0 for a free one`},
		{"self_monitoring.interval", "1ms", "1ms is too short; write 1s or more, or 0s for never"},
	} {
		t.Run(c.setting+"="+c.text, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			s := settings.New(&cfg)
			s.Text(c.setting, c.text, "test")
			s.Validate()
			if err := s.Err(); err == nil || err.Error() != "test: "+c.setting+": "+c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTargetsNeedOthers checks that a process that runs a part of the platform says
// at once what it cannot do without.
func TestTargetsNeedOthers(t *testing.T) {
	t.Parallel()
	const dsn, url = "postgres://u:p@127.0.0.1/esmon", "amqp://u:p@127.0.0.1/"
	for name, c := range map[string]struct {
		set  map[string]string
		want []string // what the message says; nothing means that all is good
	}{
		"engines": {
			map[string]string{"targets": "collector,storage", "cluster.control": "a:1"},
			[]string{"targets: collector,storage shares its database", "db.kind", "targets: collector,storage shares the ingest log", "bus.kind"},
		},
		"addresses": {
			map[string]string{"targets": "gateway"},
			[]string{"cluster.control: is empty", "cluster.storage: is empty", "cluster.collector: is empty"},
		},
		"a node that is all it calls": {
			map[string]string{"targets": "control,storage,collector,gateway", "db.kind": "postgres", "db.dsn": dsn, "bus.kind": "amqp", "bus.url": url}, nil,
		},
		"the whole platform over the engines of a cluster": {
			map[string]string{"db.kind": "postgres", "db.dsn": dsn, "bus.kind": "amqp", "bus.url": url}, nil,
		},
		"a gateway": {
			map[string]string{"targets": "gateway", "cluster.control": "a:1", "cluster.storage": "dns:///b:1", "cluster.collector": "c:1"}, nil,
		},
		"a relay that knows nobody": {
			map[string]string{"targets": "relay"}, []string{"cluster.control: is empty", "cluster.collector: is empty"},
		},
		"a relay, without any engine": {
			map[string]string{"targets": "relay", "cluster.control": "a:1", "cluster.collector": "c:1"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			s := settings.New(&cfg)
			for setting, text := range c.set {
				s.Text(setting, text, "test")
			}
			s.Validate()
			err := s.Err()
			if (err != nil) != (c.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, which does not say %q", err, w)
				}
			}
		})
	}
}

func TestDefaultsAreGood(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	s := settings.New(&cfg)
	for setting, text := range map[string]string{
		"grpc.address": ":https", "self_monitoring.interval": "0s", "stop_timeout": "1s", "log.format": "json", "tls.cipher": "system",
	} {
		s.Text(setting, text, "test")
	}
	s.Validate()
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if cfg.SelfMonitoring.Interval != 0 || cfg.StopTimeout != time.Second {
		t.Errorf("got %+v", cfg)
	}
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "WARN": slog.LevelWarn, "loud": slog.LevelInfo} {
		c := LogConfig{Level: text, Format: LogText}
		if got := c.SlogLevel(); got != want {
			t.Errorf("%s is %v", text, got)
		}
		if err := c.Validate(); (err != nil) != (text == "loud") || err != nil && !strings.Contains(err.Error(), "loud") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
