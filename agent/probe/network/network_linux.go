package network

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
	"github.com/esolutions/esmon/services/metric"
)

// Collect reads /proc/net/dev and, for each interface, /sys/class/net.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "net", "dev"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read network interfaces: %w", err)
	}
	seen := make(map[string]bool)
	for _, d := range parse(text) {
		if p.excluded(d.name) || seen[d.name] {
			continue
		}
		seen[d.name] = true
		labels := probe.Label(interfaceLabel, d.name)
		e.Emit(p.counters, labels, at, d.common()...)
		p.emitLinux(e, at, &d, labels)
	}
	return nil
}

func (p *Probe) emitLinux(e *probe.Emitter, at time.Time, d *device, labels metric.Labels) {
	e.Emit(p.linux, labels, at,
		kernel.Field(d.fields, 4), kernel.Field(d.fields, 12), kernel.Field(d.fields, 5), kernel.Field(d.fields, 7),
		kernel.Field(d.fields, 13), kernel.Field(d.fields, 14),
		p.up(d.name), p.number(d.name, "carrier"), p.number(d.name, "carrier_changes"), p.speed(d.name), p.number(d.name, "mtu"))
}

// up is 1 if the kernel says "up". The loopback device has no such state: it
// says "unknown".
func (p *Probe) up(name string) float64 {
	switch p.attribute(name, "operstate") {
	case "":
		return metric.Missing()
	case "up":
		return 1
	}
	return 0
}

// speed is in bytes; the kernel gives megabits, and -1 where there is no link
// or none that has a speed.
func (p *Probe) speed(name string) float64 { return p.number(name, "speed") * 1e6 / 8 }

func (p *Probe) number(name, attribute string) float64 {
	return kernel.Number(p.attribute(name, attribute))
}

// attribute returns "" for what cannot be read: an interface that is down
// refuses some.
func (p *Probe) attribute(name, attribute string) string {
	if strings.ContainsRune(name, '/') {
		return ""
	}
	text, err := smallfile.Read(p.env.Path("sys", "class", "net", name, attribute), smallfile.Kernel)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
