// Package paging reads swap space and page faults.
package paging

import (
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// Probe reads swap space and page faults.
type Probe struct {
	env    probe.Env
	common *metric.Schema // on every operating system
	linux  *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{env: env, common: common(), linux: linux()}
}

// Name is "paging".
func (p *Probe) Name() string { return "paging" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns the schema of every system and that of Linux.
func (p *Probe) Shapes() []probe.Shape { return []probe.Shape{{Schema: p.common}, {Schema: p.linux}} }

func common() *metric.Schema {
	const help = "Swap space or page files by state; the sum is all there is."
	return probe.Schema(
		probe.Gauge("system.paging.usage", "By", help, "system.paging.state", "used"),
		probe.Gauge("system.paging.usage", "By", help, "system.paging.state", "free"),
	)
}

func linux() *metric.Schema {
	const (
		faults = "Page faults; a major one had to wait for a disk."
		pages  = "Pages moved from and to swap space."
		blocks = "Bytes paged in from and out to block devices, files included."
	)
	return probe.Schema(
		probe.Gauge("esmon.paging.cached", "By", "Memory that was swapped in again and is also still in swap space."),
		probe.Counter("system.paging.faults", "{fault}", faults, "system.paging.fault.type", "major"),
		probe.Counter("system.paging.faults", "{fault}", faults, "system.paging.fault.type", "minor"),
		probe.Counter("system.paging.operations", "{operation}", pages, "system.paging.direction", "in"),
		probe.Counter("system.paging.operations", "{operation}", pages, "system.paging.direction", "out"),
		probe.Counter("esmon.paging.block_io", "By", blocks, "system.paging.direction", "in"),
		probe.Counter("esmon.paging.block_io", "By", blocks, "system.paging.direction", "out"),
		probe.Counter("esmon.memory.oom_kills", "{process}", "Processes killed because memory ran out."),
	)
}
