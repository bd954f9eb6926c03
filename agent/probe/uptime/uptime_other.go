//go:build !linux

package uptime

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/host"

	"github.com/esolutions/esmon/agent/probe"
)

// Collect asks the operating system.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	up, err := host.UptimeWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read uptime: %w", err)
	}
	boot, err := host.BootTimeWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read boot time: %w", err)
	}
	e.Emit(p.schema, nil, at, float64(up), float64(boot))
	return nil
}
