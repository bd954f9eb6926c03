package disk

import (
	"context"
	"fmt"
	"strings"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
	"github.com/esolutions/esmon/services/metric"
)

// Collect reads /proc/diskstats.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "diskstats"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read disks: %w", err)
	}
	seen := make(map[string]bool)
	for _, c := range parse(text) {
		if p.excluded(c.device) || seen[c.device] {
			continue
		}
		seen[c.device] = true
		c.limit = p.capacity(c.device)
		p.emit(e, at, &c)
	}
	return nil
}

// capacity returns the size of the device, missing if the kernel tells none.
// /sys writes a slash in a device's name as "!".
func (p *Probe) capacity(device string) float64 {
	name := strings.ReplaceAll(device, "/", "!")
	text, err := smallfile.Read(p.env.Path("sys", "class", "block", name, "size"), smallfile.Kernel)
	if err != nil {
		return metric.Missing()
	}
	return kernel.Number(strings.TrimSpace(string(text))) * sector
}
