// Package cpu reads how the logical CPUs spend their time.
package cpu

import (
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// numberLabel names a logical CPU.
const numberLabel = "cpu_logical_number"

// modes are the columns of a CPU, in the order of /proc/stat.
var modes = [...]string{"user", "nice", "system", "idle", "iowait", "interrupt", "softirq", "steal"}

// times are the seconds a CPU spent, by mode.
type times struct {
	mode  [len(modes)]float64
	guest [2]float64 // part of user and of nice
}

// row returns the values in the order of the schema's columns.
func (t *times) row() []float64 { return append(t.mode[:], t.guest[:]...) }

// Probe reads the CPUs. It remembers the last times, because the kernel's idle
// and iowait counters can step back a little, which must not look like the
// restart of a counter.
type Probe struct {
	env     probe.Env
	perCPU  *metric.Schema
	host    *metric.Schema
	highest map[string]times
}

// New returns the probe.
func New(env probe.Env) *Probe {
	return &Probe{env: env, perCPU: perCPU(), host: host(), highest: make(map[string]times)}
}

// Name is "cpu".
func (p *Probe) Name() string { return "cpu" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns a schema for each CPU and one for the host.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.perCPU, Entity: []string{numberLabel}}, {Schema: p.host}}
}

func perCPU() *metric.Schema {
	var cols []metric.Column
	for _, m := range modes {
		cols = append(cols, probe.Counter("system.cpu.time", "s", "Seconds each logical CPU spent in each mode; guests count as user and nice.", "cpu.mode", m))
	}
	for _, m := range []string{"user", "nice"} {
		cols = append(cols, probe.Counter("esmon.cpu.guest.time", "s", "Part of the user and nice time that was spent running guests.", "cpu.mode", m))
	}
	return probe.Schema(cols...)
}

func host() *metric.Schema {
	return probe.Schema(
		probe.Counter("esmon.cpu.context_switches", "{switch}", "Switches from one thread to another."),
		probe.Counter("esmon.cpu.interrupts", "{interrupt}", "Interrupts served."),
		probe.Gauge("esmon.cpu.threads.running", "{thread}", "Threads that run or wait for a CPU."),
		probe.Gauge("esmon.cpu.threads.blocked", "{thread}", "Threads that wait for I/O to complete."),
	)
}

// emit reports one CPU.
func (p *Probe) emit(e *probe.Emitter, at time.Time, number string, now times) {
	last, known := p.highest[number]
	if known && !restarted(last, now) {
		now = atLeast(last, now)
	}
	p.highest[number] = now
	e.Emit(p.perCPU, probe.Label(numberLabel, number), at, now.row()...)
}

// jump is how far a CPU's idle time steps back at least when the CPU was taken
// out and put back, which starts its counters anew; smaller steps are the
// kernel's rounding.
const jump = 3 * time.Second

func restarted(last, now times) bool {
	const idle = 3
	return last.mode[idle]-now.mode[idle] >= jump.Seconds()
}

// atLeast returns now, with nothing lower than in last. A time that is missing
// on either side is left as it is: comparing with it is false.
func atLeast(last, now times) times {
	for i, v := range last.mode {
		if now.mode[i] < v {
			now.mode[i] = v
		}
	}
	for i, v := range last.guest {
		if now.guest[i] < v {
			now.guest[i] = v
		}
	}
	return now
}
