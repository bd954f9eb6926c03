package uptime

import (
	"context"
	"fmt"
	"strings"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads /proc/uptime and the boot time in /proc/stat.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "uptime"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read uptime: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	stat, err := smallfile.Read(p.env.Path("proc", "stat"), smallfile.Kernel)
	e.Emit(p.schema, nil, at, kernel.Real(first), kernel.Named(stat).Get("btime"))
	if err != nil {
		return fmt.Errorf("read boot time: %w", err)
	}
	return nil
}
