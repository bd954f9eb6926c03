package alerting

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	for field, change := range map[string]func(*Config){
		"grace":                func(c *Config) { c.Grace = -1 },
		"lateness_intervals":   func(c *Config) { c.LatenessIntervals = 0 },
		"silent_after":         func(c *Config) { c.SilentAfter = 0 },
		"min_coverage":         func(c *Config) { c.MinCoverage = 1.1 },
		"coverage_window":      func(c *Config) { c.CoverageWindow = 0 },
		"catch_up_limit":       func(c *Config) { c.CatchUpLimit = -1 },
		"agent_catch_up_limit": func(c *Config) { c.AgentCatchUpLimit = -1 },
		"forget_agents":        func(c *Config) { c.ForgetAgents = 0 },
		"concurrency":          func(c *Config) { c.Concurrency = 0 },
		"rule_timeout":         func(c *Config) { c.RuleTimeout = 0 },
		"operator_interval":    func(c *Config) { c.OperatorInterval = 0 },
		"agent_interval":       func(c *Config) { c.AgentInterval = 0 },
		"commit_timeout":       func(c *Config) { c.CommitTimeout = 0 },
		"retry_pause":          func(c *Config) { c.RetryPause = 0 },
		"history_retention":    func(c *Config) { c.HistoryRetention = 0 },
		"silence_retention":    func(c *Config) { c.SilenceRetention = 0 },
		"record_buffer":        func(c *Config) { c.RecordBuffer = 0 },
		"heartbeat.url":        func(c *Config) { c.Heartbeat.URL = "ftp://x" },
		"heartbeat.interval":   func(c *Config) { c.Heartbeat = HeartbeatConfig{URL: "http://x", Interval: time.Millisecond} },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
