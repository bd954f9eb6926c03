// Package network reads what network interfaces do.
package network

import (
	"regexp"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// interfaceLabel names a network interface.
const interfaceLabel = "network_interface_name"

// Probe reads the network interfaces.
type Probe struct {
	env      probe.Env
	exclude  *regexp.Regexp
	counters *metric.Schema // on every operating system
	linux    *metric.Schema
}

// New returns the probe. The error names the setting that is wrong.
func New(env probe.Env, cfg Config) (*Probe, error) {
	exclude, err := probe.Pattern("network.exclude", cfg.Exclude)
	if err != nil {
		return nil, err
	}
	return &Probe{env: env, exclude: exclude, counters: counters(), linux: linux()}, nil
}

// Name is "network".
func (p *Probe) Name() string { return "network" }

// DefaultInterval is ten seconds.
func (p *Probe) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns the schemas of an interface: that of every system and that of
// Linux.
func (p *Probe) Shapes() []probe.Shape {
	entity := []string{interfaceLabel}
	return []probe.Shape{{Schema: p.counters, Entity: entity}, {Schema: p.linux, Entity: entity}}
}

func counters() *metric.Schema {
	s := probe.Schema()
	for _, d := range []string{"receive", "transmit"} {
		s.Columns = append(s.Columns,
			probe.Counter("system.network.io", "By", "Bytes transferred.", "network.io.direction", d),
			probe.Counter("system.network.packet.count", "{packet}", "Packets transferred.", "network.io.direction", d),
			probe.Counter("system.network.errors", "{error}", "Errors.", "network.io.direction", d),
			probe.Counter("system.network.packet.dropped", "{packet}", "Packets dropped though there was no error.", "network.io.direction", d))
	}
	return s
}

func linux() *metric.Schema {
	return probe.Schema(
		probe.Counter("esmon.network.fifo_errors", "{error}", "Buffer overruns.", "network.io.direction", "receive"),
		probe.Counter("esmon.network.fifo_errors", "{error}", "Buffer overruns.", "network.io.direction", "transmit"),
		probe.Counter("esmon.network.frame_errors", "{error}", "Packets received with a framing error."),
		probe.Counter("esmon.network.multicast", "{packet}", "Multicast packets received."),
		probe.Counter("esmon.network.collisions", "{collision}", "Collisions while sending."),
		probe.Counter("esmon.network.carrier_errors", "{error}", "Packets lost because the carrier was lost."),
		probe.Gauge("esmon.network.up", "", "1 if the interface is operational, 0 if not."),
		probe.Gauge("esmon.network.carrier", "", "1 if the interface has a physical link, 0 if not."),
		probe.Counter("esmon.network.carrier_changes", "{change}", "Times that the link came or went."),
		probe.Gauge("esmon.network.speed", "By/s", "Speed of the link in one direction."),
		probe.Gauge("esmon.network.mtu", "By", "Largest packet that can be sent."),
	)
}

func (p *Probe) excluded(name string) bool {
	return p.exclude != nil && p.exclude.MatchString(name)
}
