//go:build !linux

package memory

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/mem"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// Collect asks the operating system. It tells neither buffers nor cached apart.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	e.Emit(p.common, nil, at, float64(m.Total), float64(m.Total)-float64(m.Available), float64(m.Free), metric.Missing(), metric.Missing())
	return nil
}
