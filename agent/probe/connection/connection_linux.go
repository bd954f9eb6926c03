package connection

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
)

// Collect reads the tables and counters below /proc/net.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	return errors.Join(p.collectConnections(ctx, e), p.collectSockets(e), p.collectProtocols(e))
}

func (p *Probe) collectConnections(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	row := make([]float64, len(states)+1)
	for _, name := range []string{"tcp", "tcp6"} {
		counts, _, err := p.table(ctx, name)
		if err != nil {
			return err
		}
		for i, n := range counts {
			row[i] += n
		}
	}
	for _, name := range []string{"udp", "udp6"} {
		_, total, err := p.table(ctx, name)
		if err != nil {
			return err
		}
		row[len(states)] += total
	}
	e.Emit(p.connections, nil, at, row...)
	return nil
}

// table counts the sockets of one table. A host without IPv6 lacks those of it.
func (p *Probe) table(ctx context.Context, name string) (counts [len(states)]float64, total float64, err error) {
	if err := ctx.Err(); err != nil {
		return counts, 0, fmt.Errorf("count %s sockets: %w", name, err)
	}
	f, err := os.Open(p.env.Path("proc", "net", name))
	if errors.Is(err, fs.ErrNotExist) {
		return counts, 0, nil
	}
	if err != nil {
		return counts, 0, fmt.Errorf("count %s sockets: %w", name, err)
	}
	defer func() { _ = f.Close() }() // only read
	return countStates(f)
}

func (p *Probe) collectSockets(e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "net", "sockstat"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read sockets: %w", err)
	}
	e.Emit(p.sockets, nil, at, fill(socketColumns, kernel.Pairs(text), float64(os.Getpagesize()))...)
	return nil
}

func (p *Probe) collectProtocols(e *probe.Emitter) error {
	at := p.env.Clock()()
	text, err := smallfile.Read(p.env.Path("proc", "net", "snmp"), smallfile.Kernel)
	if err != nil {
		return fmt.Errorf("read protocol counters: %w", err)
	}
	all := kernel.Headed(text)
	text, err = smallfile.Read(p.env.Path("proc", "net", "netstat"), smallfile.Kernel)
	maps.Copy(all, kernel.Headed(text))
	e.Emit(p.protocols, nil, at, fill(protocolColumns, all, 0)...)
	if err != nil {
		return fmt.Errorf("read extended protocol counters: %w", err)
	}
	return nil
}
