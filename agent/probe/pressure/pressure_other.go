//go:build !linux

package pressure

import (
	"context"

	"github.com/esolutions/esmon/agent/probe"
)

// Collect reports nothing: only Linux measures pressure.
func (p *Probe) Collect(context.Context, *probe.Emitter) error { return nil }
