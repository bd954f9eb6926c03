//go:build !linux

package load

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/load"

	"github.com/esolutions/esmon/agent/probe"
)

// Collect asks the operating system.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	avg, err := load.AvgWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read load averages: %w", err)
	}
	e.Emit(p.schema, nil, at, avg.Load1, avg.Load5, avg.Load15)
	return nil
}
