package paging

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads /proc/meminfo and /proc/vmstat.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "meminfo"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read swap space: %w", err)
	}
	info := kernel.Named(text)
	free := info.Get("SwapFree")
	e.Emit(p.common, nil, at, info.Get("SwapTotal")-free, free)
	return p.vmstat(e, info.Get("SwapCached"))
}

// vmstat reports what /proc/vmstat says. It counts major faults among all, and
// paged blocks in units of 1,024 bytes.
func (p *Probe) vmstat(e *probe.Emitter, cached float64) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "vmstat"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read page faults: %w", err)
	}
	v := kernel.Named(text)
	major := v.Get("pgmajfault")
	kills := v.Get("oom_kill") // since Linux 4.13
	if math.IsNaN(major) {
		return errors.New("read page faults: /proc/vmstat has no pgmajfault")
	}
	e.Emit(p.linux, nil, at, cached, major, max(0, v.Get("pgfault")-major),
		v.Get("pswpin"), v.Get("pswpout"), v.Get("pgpgin")*1024, v.Get("pgpgout")*1024, kills)
	return nil
}
