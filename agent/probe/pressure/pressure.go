// Package pressure reads how long work waits for CPU, memory and I/O: the
// kernel's pressure stall information.
package pressure

import (
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// lines are the columns: a line of a file below /proc/pressure each.
var lines = []struct{ resource, stall string }{
	{"cpu", "some"}, {"cpu", "full"}, {"memory", "some"}, {"memory", "full"}, {"io", "some"}, {"io", "full"}, {"irq", "full"},
}

// Probe reads the pressure. It exists on Linux only.
type Probe struct {
	env    probe.Env
	schema *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	const help = "Time in which some or all (full) threads with work to do waited for the resource."
	s := probe.Schema()
	for _, l := range lines {
		s.Columns = append(s.Columns, probe.Counter("esmon.pressure.stalled", "s", help,
			"pressure.resource", l.resource, "pressure.stall_type", l.stall))
	}
	return &Probe{env: env, schema: s}
}

// Name is "pressure".
func (p *Probe) Name() string { return "pressure" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns one schema for the host.
func (p *Probe) Shapes() []probe.Shape { return []probe.Shape{{Schema: p.schema}} }

// parse returns the seconds stalled by kind of stall. The file counts them in
// microseconds.
func parse(text []byte) kernel.Values {
	out := make(kernel.Values)
	for f := range kernel.Rows(text) {
		for _, pair := range f[1:] {
			if total, ok := strings.CutPrefix(pair, "total="); ok {
				out[f[0]] = kernel.Number(total) / 1e6
			}
		}
	}
	return out
}
