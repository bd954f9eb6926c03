// Package disk reads what block devices do.
package disk

import (
	"regexp"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// deviceLabel names a block device.
const deviceLabel = "system_device"

// Probe reads the block devices.
type Probe struct {
	env     probe.Env
	exclude *regexp.Regexp
	schema  *metric.Schema
}

// New returns the probe. The error names the setting that is wrong.
func New(env probe.Env, cfg Config) (*Probe, error) {
	exclude, err := probe.Pattern("disk.exclude", cfg.Exclude)
	if err != nil {
		return nil, err
	}
	return &Probe{env: env, exclude: exclude, schema: schema()}, nil
}

// Name is "disk".
func (p *Probe) Name() string { return "disk" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns one schema for each device.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.schema, Entity: []string{deviceLabel}}}
}

func schema() *metric.Schema {
	s := probe.Schema()
	add := func(c metric.Column) { s.Columns = append(s.Columns, c) }
	for _, d := range []string{"read", "write"} {
		add(probe.Counter("system.disk.io", "By", "Bytes transferred.", "disk.io.direction", d))
		add(probe.Counter("system.disk.operations", "{operation}", "Operations completed.", "disk.io.direction", d))
		add(probe.Counter("system.disk.operation_time", "s", "Sum of the time that each operation took.", "disk.io.direction", d))
		add(probe.Counter("system.disk.merged", "{operation}", "Operations that were merged into a neighbouring one.", "disk.io.direction", d))
	}
	add(probe.Counter("system.disk.io_time", "s", "Time in which at least one operation was under way."))
	add(probe.Counter("esmon.disk.queue_time", "s", "Time in which operations were under way, multiplied by their number."))
	add(probe.Gauge("esmon.disk.operations.pending", "{operation}", "Operations under way."))
	add(probe.Counter("esmon.disk.discard.io", "By", "Bytes discarded (trimmed)."))
	add(probe.Counter("esmon.disk.discard.operations", "{operation}", "Discards completed."))
	add(probe.Counter("esmon.disk.discard.operation_time", "s", "Sum of the time that each discard took."))
	add(probe.Counter("esmon.disk.discard.merged", "{operation}", "Discards that were merged into a neighbouring one."))
	add(probe.Counter("esmon.disk.flush.operations", "{operation}", "Flushes of the device's cache completed."))
	add(probe.Counter("esmon.disk.flush.operation_time", "s", "Sum of the time that each flush took."))
	add(probe.Gauge("system.disk.limit", "By", "Capacity of the device."))
	return s
}

// transfers are the counters of one direction.
type transfers struct{ bytes, operations, seconds, merged float64 }

// counters are what is known of one device.
type counters struct {
	device                        string
	read, write, discard          transfers
	ioSeconds, queueSeconds, busy float64
	flushes, flushSeconds, limit  float64
}

func (p *Probe) emit(e *probe.Emitter, at time.Time, c *counters) {
	r, w, d := c.read, c.write, c.discard
	e.Emit(p.schema, probe.Label(deviceLabel, c.device), at,
		r.bytes, r.operations, r.seconds, r.merged,
		w.bytes, w.operations, w.seconds, w.merged,
		c.ioSeconds, c.queueSeconds, c.busy,
		d.bytes, d.operations, d.seconds, d.merged,
		c.flushes, c.flushSeconds, c.limit)
}

func (p *Probe) excluded(device string) bool {
	return p.exclude != nil && p.exclude.MatchString(device)
}
