// Package memory reads how the main memory is used.
package memory

import (
	"math"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// Probe reads the memory.
type Probe struct {
	env    probe.Env
	common *metric.Schema // on every operating system
	linux  *metric.Schema
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{env: env, common: common(), linux: linux()}
}

// Name is "memory".
func (p *Probe) Name() string { return "memory" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns the schema of every system and that of Linux.
func (p *Probe) Shapes() []probe.Shape { return []probe.Shape{{Schema: p.common}, {Schema: p.linux}} }

func common() *metric.Schema {
	const help = "Memory by state: used is what is not available to programs; free is unused; buffers and cached can be given back."
	cols := []metric.Column{probe.Gauge("system.memory.limit", "By", "Memory that the operating system can use.")}
	for _, state := range []string{"used", "free", "buffers", "cached"} {
		cols = append(cols, probe.Gauge("system.memory.usage", "By", help, "system.memory.state", state))
	}
	return probe.Schema(cols...)
}

// linuxFields are the fields of /proc/meminfo that only Linux has, with the
// column that each fills.
var linuxFields = []struct {
	field, name, unit, help string
	attributes              []string
}{
	{"MemAvailable", "system.memory.linux.available", "By", "Estimate of what new programs can get without swapping.", nil},
	{"Shmem", "system.memory.linux.shared", "By", "Shared memory, mostly of tmpfs.", nil},
	{"SReclaimable", "system.memory.linux.slab.usage", "By", slabHelp, []string{"system.memory.linux.slab.state", "reclaimable"}},
	{"SUnreclaim", "system.memory.linux.slab.usage", "By", slabHelp, []string{"system.memory.linux.slab.state", "unreclaimable"}},
	{"Active", "esmon.memory.active", "By", "Memory used recently.", nil},
	{"Inactive", "esmon.memory.inactive", "By", "Memory not used recently, the first to be reclaimed.", nil},
	{"AnonPages", "esmon.memory.anonymous", "By", "Memory of programs that no file backs.", nil},
	{"Mapped", "esmon.memory.mapped", "By", "Files mapped into programs.", nil},
	{"Dirty", "esmon.memory.dirty", "By", "Memory that waits to be written to a disk.", nil},
	{"Writeback", "esmon.memory.writeback", "By", "Memory that is being written to a disk.", nil},
	{"KernelStack", "esmon.memory.kernel_stack", "By", "Stacks of the kernel.", nil},
	{"PageTables", "esmon.memory.page_tables", "By", "Page tables.", nil},
	{"Mlocked", "esmon.memory.locked", "By", "Memory locked by programs.", nil},
	{"CommitLimit", "esmon.memory.commit.limit", "By", "Memory that may be promised to programs if overcommitting is off.", nil},
	{"Committed_AS", "esmon.memory.committed", "By", "Memory promised to programs.", nil},
	{"HugePages_Total", "system.memory.linux.hugepages.limit", "{page}", "Huge pages in the pool.", nil},
	{"HugePages_Free", "esmon.memory.hugepages.free", "{page}", "Huge pages not yet allocated.", nil},
	{"HugePages_Rsvd", "system.memory.linux.hugepages.reserved", "{page}", "Huge pages promised and not yet allocated.", nil},
	{"HugePages_Surp", "system.memory.linux.hugepages.surplus", "{page}", "Huge pages beyond the pool.", nil},
	{"Hugepagesize", "system.memory.linux.hugepages.page_size", "By", "Size of a huge page.", nil},
}

const slabHelp = "Memory that the kernel keeps for its own objects, by whether it can be given back."

func linux() *metric.Schema {
	s := probe.Schema()
	for _, f := range linuxFields {
		s.Columns = append(s.Columns, probe.Gauge(f.name, f.unit, f.help, f.attributes...))
	}
	return s
}

// emit reports what /proc/meminfo says.
func (p *Probe) emit(e *probe.Emitter, at time.Time, info kernel.Values) {
	total, free, buffers, cached := info.Get("MemTotal"), info.Get("MemFree"), info.Get("Buffers"), info.Get("Cached")
	available := info.Get("MemAvailable")
	if math.IsNaN(available) { // Linux before 3.14
		available = free + buffers + cached
	}
	e.Emit(p.common, nil, at, total, total-available, free, buffers, cached)
	row := make([]float64, len(linuxFields))
	for i, f := range linuxFields {
		row[i] = info.Get(f.field)
	}
	e.Emit(p.linux, nil, at, row...)
}
