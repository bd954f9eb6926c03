package memory

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads /proc/meminfo.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "meminfo"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	info := kernel.Named(text)
	if math.IsNaN(info.Get("MemTotal")) {
		return errors.New("read memory: /proc/meminfo has no MemTotal")
	}
	p.emit(e, at, info)
	return nil
}
