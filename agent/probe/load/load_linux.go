package load

import (
	"context"
	"fmt"
	"os"

	"github.com/esolutions/esmon/agent/probe"
)

// Collect reads /proc/loadavg.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := os.ReadFile(p.env.Path("proc", "loadavg"))
	if err != nil {
		return fmt.Errorf("read load averages: %w", err)
	}
	v := parse(text)
	e.Emit(p.schema, nil, at, v[:]...)
	return nil
}
