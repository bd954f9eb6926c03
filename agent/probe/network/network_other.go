//go:build !linux

package network

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/net"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
)

// Collect asks the operating system.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	all, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return fmt.Errorf("read network interfaces: %w", err)
	}
	seen := make(map[string]bool)
	for _, c := range all {
		name := kernel.Text(c.Name)
		if name == "" || seen[name] || p.excluded(name) {
			continue
		}
		seen[name] = true
		e.Emit(p.counters, probe.Label(interfaceLabel, name), at,
			float64(c.BytesRecv), float64(c.PacketsRecv), float64(c.Errin), float64(c.Dropin),
			float64(c.BytesSent), float64(c.PacketsSent), float64(c.Errout), float64(c.Dropout))
	}
	return nil
}
