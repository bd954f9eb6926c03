package pressure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads the files below /proc/pressure. A kernel without pressure stall
// information, or with it switched off, is no error: nothing is reported.
func (p *Probe) Collect(_ context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	files := make(map[string]kernel.Values)
	row := make([]float64, len(lines))
	found := 0
	var errs []error
	for i, l := range lines {
		if files[l.resource] == nil {
			text, err := smallfile.Read(p.env.Path("proc", "pressure", l.resource), smallfile.Kernel)
			switch {
			case err == nil:
				found++
			case !absent(err):
				errs = append(errs, fmt.Errorf("read pressure: %w", err))
			}
			files[l.resource] = parse(text)
		}
		row[i] = files[l.resource].Get(l.stall)
	}
	if found > 0 {
		e.Emit(p.schema, nil, at, row...)
	}
	return errors.Join(errs...)
}

// absent tells whether the kernel has no such file, or has it but was started
// with psi=0, when opening works and reading gives "operation not supported".
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EOPNOTSUPP)
}
