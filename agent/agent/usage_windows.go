package agent

import (
	"os"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/esolutions/esmon/services/metric"
)

// usage returns the CPU seconds and the physical memory that this process uses.
func usage() (cpu, rss float64) {
	cpu, rss = metric.Missing(), metric.Missing()
	p, err := process.NewProcess(int32(os.Getpid())) //nolint:gosec // process ids are small
	if err != nil {
		return cpu, rss
	}
	if t, err := p.Times(); err == nil {
		cpu = t.User + t.System
	}
	if m, err := p.MemoryInfo(); err == nil {
		rss = float64(m.RSS)
	}
	return cpu, rss
}
