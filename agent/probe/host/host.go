// Package host reads what a host is: its operating system, its hardware and how
// many CPUs it has. All of it changes with a patch day or a rebuild at most.
package host

import (
	"context"
	"runtime"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// facts are what the operating system tells about the host; "" is not known.
type facts struct {
	osName, osVersion, osDescription, kernelRelease string
	cpuModel                                        string
	vendor, model, firmware                         string
	logical, physical                               float64 // CPUs
}

// labelNames are the labels of the info metric, in the order of values.
var labelNames = []string{
	"cpu_model", "firmware_version", "host_arch", "kernel_release", "os_description", "os_name", "os_version", "system_model", "system_vendor",
}

func (f *facts) values() []string {
	return []string{f.cpuModel, f.firmware, runtime.GOARCH, f.kernelRelease, f.osDescription, f.osName, f.osVersion, f.model, f.vendor}
}

// Probe reads the facts.
type Probe struct {
	env  probe.Env
	info *metric.Schema
	cpus *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{
		env:  env,
		info: probe.Schema(probe.Info("esmon.host.info", "Always 1: the labels say what the host is.")),
		cpus: probe.Schema(
			probe.Gauge("system.cpu.logical.count", "{cpu}", "Logical CPUs that are online."),
			probe.Gauge("system.cpu.physical.count", "{cpu}", "Cores of the processors that are online."),
		),
	}
}

// Name is "host".
func (p *Probe) Name() string { return "host" }

// DefaultInterval is five minutes.
func (p *Probe) DefaultInterval() time.Duration { return 5 * time.Minute }

// Shapes returns the schema of the facts, whose entity carries them, and one
// for the host.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.info, Entity: labelNames}, {Schema: p.cpus}}
}

// Collect reads all facts. Those that cannot be read are left out.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	f, err := read(ctx, p.env)
	var labels []metric.Label
	for i, v := range f.values() {
		labels = append(labels, metric.Label{Name: labelNames[i], Value: kernel.Text(v)})
	}
	e.Emit(p.info, metric.NewLabels(labels...), at, 1)
	e.Emit(p.cpus, nil, at, f.logical, f.physical)
	return err
}
