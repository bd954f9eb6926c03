package uptime

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
)

// Collect reads /proc/uptime and the boot time in /proc/stat.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := os.ReadFile(p.env.Path("proc", "uptime"))
	if err != nil {
		return fmt.Errorf("read uptime: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	stat, err := os.ReadFile(p.env.Path("proc", "stat"))
	e.Emit(p.schema, nil, at, kernel.Real(first), kernel.Named(stat).Get("btime"))
	if err != nil {
		return fmt.Errorf("read boot time: %w", err)
	}
	return nil
}
