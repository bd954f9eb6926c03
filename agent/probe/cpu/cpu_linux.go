package cpu

import (
	"context"
	"errors"
	"fmt"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads /proc/stat.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "stat"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read CPU times: %w", err)
	}
	s := parseStat(text)
	for _, c := range s.cpus {
		p.emit(e, at, c.number, c.times)
	}
	e.Emit(p.host, nil, at, s.switches, s.interrupts, s.running, s.blockedNow)
	if len(s.cpus) == 0 {
		return errors.New("read CPU times: /proc/stat names no CPU")
	}
	return nil
}
