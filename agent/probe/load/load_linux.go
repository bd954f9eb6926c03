package load

import (
	"context"
	"fmt"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads /proc/loadavg.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "loadavg"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read load averages: %w", err)
	}
	v := parse(text)
	e.Emit(p.schema, nil, at, v[:]...)
	return nil
}
