//go:build !linux

package disk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// Collect asks the operating system. Devices are reported in the order of their
// names; what the system does not tell is missing.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	all, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read disks: %w", err)
	}
	list := make([]counters, 0, len(all))
	for name, d := range all {
		if device := kernel.Text(name); device != "" && !p.excluded(device) {
			list = append(list, fromSystem(device, d))
		}
	}
	slices.SortFunc(list, func(a, b counters) int { return strings.Compare(a.device, b.device) })
	for i := range list {
		p.emit(e, at, &list[i])
	}
	return nil
}

func fromSystem(device string, d disk.IOCountersStat) counters {
	none := metric.Missing()
	const ms = 1000
	return counters{
		device:  device,
		read:    transfers{float64(d.ReadBytes), float64(d.ReadCount), float64(d.ReadTime) / ms, none},
		write:   transfers{float64(d.WriteBytes), float64(d.WriteCount), float64(d.WriteTime) / ms, none},
		discard: transfers{none, none, none, none}, ioSeconds: none, queueSeconds: none,
		busy: none, flushes: none, flushSeconds: none, limit: none,
	}
}
