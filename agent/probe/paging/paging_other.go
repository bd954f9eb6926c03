//go:build !linux

package paging

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/mem"

	"github.com/esolutions/esmon/agent/probe"
)

// Collect asks the operating system.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	s, err := mem.SwapMemoryWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read swap space: %w", err)
	}
	e.Emit(p.common, nil, at, float64(s.Used), float64(s.Free))
	return nil
}
