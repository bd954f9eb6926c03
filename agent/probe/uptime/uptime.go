// Package uptime reads since when the host runs.
package uptime

import (
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// Probe reads since when the host runs.
type Probe struct {
	env    probe.Env
	schema *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{env: env, schema: probe.Schema(
		probe.Gauge("system.uptime", "s", "How long the host has been running."),
		probe.Gauge("esmon.host.boot_time", "s", "When the host started, as Unix time."),
	)}
}

// Name is "uptime".
func (p *Probe) Name() string { return "uptime" }

// DefaultInterval is one minute.
func (p *Probe) DefaultInterval() time.Duration { return time.Minute }

// Shapes returns one schema for the host.
func (p *Probe) Shapes() []probe.Shape { return []probe.Shape{{Schema: p.schema}} }
