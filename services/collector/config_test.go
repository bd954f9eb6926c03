package collector_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/esolutions/esmon/services/collector"
)

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c, s := collector.DefaultConfig(), collector.DefaultServerConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheSetting(t *testing.T) {
	t.Parallel()
	for key, set := range map[string]func(*collector.Config){
		"limits: columns":     func(c *collector.Config) { c.Limits.Columns = 0 },
		"max_entities":        func(c *collector.Config) { c.MaxEntities = 0 },
		"max_schemas":         func(c *collector.Config) { c.MaxSchemas = 0 },
		"max_series":          func(c *collector.Config) { c.MaxSeries = 0 },
		"idle_after":          func(c *collector.Config) { c.IdleAfter = time.Second },
		"samples_per_second":  func(c *collector.Config) { c.SamplesPerSecond = 0 },
		"burst_samples":       func(c *collector.Config) { c.BurstSamples = 100_000 },
		"window":              func(c *collector.Config) { c.Window = 0 },
		"max_batch_bytes":     func(c *collector.Config) { c.MaxBatchBytes = 1 },
		"max_batch_bytes: mu": func(c *collector.Config) { c.MaxBatchBytes = 9 << 20 },
		"hello_timeout":       func(c *collector.Config) { c.HelloTimeout = 0 },
		"min_gap":             func(c *collector.Config) { c.MinGap = -1 },
		"max_gap":             func(c *collector.Config) { c.MaxGap = 0 },
		"record_bytes":        func(c *collector.Config) { c.RecordBytes = 1 },
		"record_bytes: must":  func(c *collector.Config) { c.RecordBytes = 17 << 20 },
		"publishing":          func(c *collector.Config) { c.Publishing = 0 },
		"publish_timeout":     func(c *collector.Config) { c.PublishTimeout = 0 },
		"full_pause":          func(c *collector.Config) { c.FullPause = 0 },
		"redefine_after":      func(c *collector.Config) { c.RedefineAfter = 0 },
		"max_pushes":          func(c *collector.Config) { c.MaxPushes = 0 },
		"drain_timeout":       func(c *collector.Config) { c.DrainTimeout = -1 },
	} {
		c := collector.DefaultConfig()
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
		if _, err := collector.New(c, collector.Deps{}, discard(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: a collector was made", key)
		}
	}
}

func TestServerValidateNamesTheSetting(t *testing.T) {
	t.Parallel()
	for key, set := range map[string]func(*collector.ServerConfig){
		"max_connections":   func(c *collector.ServerConfig) { c.MaxConnections = 0 },
		"max_streams":       func(c *collector.ServerConfig) { c.MaxStreams = 0 },
		"keepalive":         func(c *collector.ServerConfig) { c.Keepalive = 0 },
		"handshake_timeout": func(c *collector.ServerConfig) { c.HandshakeTimeout = 0 },
	} {
		c := collector.DefaultServerConfig()
		set(&c)
		_, err := collector.NewServer(c, nil, insecure.NewCredentials(), collector.Interceptors{}, discard(), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
