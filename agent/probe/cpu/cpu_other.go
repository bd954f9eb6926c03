//go:build !linux

package cpu

import (
	"context"
	"fmt"
	"strconv"

	"github.com/shirou/gopsutil/v3/cpu"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// Collect asks the operating system for the time of each CPU. Modes that it
// does not tell apart are missing.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	all, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return fmt.Errorf("read CPU times: %w", err)
	}
	none := metric.Missing()
	for i, c := range all {
		p.emit(e, at, strconv.Itoa(i), times{
			mode:  [len(modes)]float64{c.User, none, c.System, c.Idle, none, c.Irq, none, none},
			guest: [2]float64{none, none},
		})
	}
	return nil
}
