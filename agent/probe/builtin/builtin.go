// Package builtin is the list of the probes that the agent carries. What is in
// it depends on the operating system: a probe that can read nothing there is
// left out.
package builtin

import (
	"github.com/esolutions/esmon/agent/probe"
)

// Config are the settings of the probes that have any.
type Config struct {
}

// DefaultConfig returns settings that suit most hosts.
func DefaultConfig() Config { return Config{} }

// Validate names the first setting that makes no sense, and what would.
func (c *Config) Validate() error { return nil }

// All returns the probes for this operating system, in a fixed order.
func All(_ probe.Env, _ Config) []probe.Probe { return nil }
