// Package load reads the load averages.
package load

import (
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// Probe reads the load averages.
type Probe struct {
	env    probe.Env
	schema *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{env: env, schema: probe.Schema(
		probe.Gauge("esmon.load.1m", "{thread}", "Threads that run, wait for a CPU or wait for a disk: average over one minute."),
		probe.Gauge("esmon.load.5m", "{thread}", "Threads that run, wait for a CPU or wait for a disk: average over five minutes."),
		probe.Gauge("esmon.load.15m", "{thread}", "Threads that run, wait for a CPU or wait for a disk: average over fifteen minutes."),
	)}
}

// Name is "load".
func (p *Probe) Name() string { return "load" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns one schema for the host.
func (p *Probe) Shapes() []probe.Shape { return []probe.Shape{{Schema: p.schema}} }

// parse reads the three averages of /proc/loadavg.
func parse(text []byte) [3]float64 {
	none := metric.Missing()
	out := [3]float64{none, none, none}
	for i, f := range strings.Fields(string(text)) {
		if i < len(out) {
			out[i] = kernel.Real(f)
		}
	}
	return out
}
