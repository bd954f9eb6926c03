//go:build !linux

package connection

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/net"

	"github.com/esolutions/esmon/agent/probe"
)

// index finds the column of a state as the library spells it.
var index = map[string]int{
	"ESTABLISHED": 0, "SYN_SENT": 1, "SYN_RECV": 2, "FIN_WAIT1": 3, "FIN_WAIT2": 4, "TIME_WAIT": 5,
	"CLOSED": 6, "CLOSE": 6, "CLOSE_WAIT": 7, "LAST_ACK": 8, "LISTEN": 9, "CLOSING": 10,
}

// Collect asks the operating system.
func (p *Probe) Collect(ctx context.Context, e *probe.Emitter) error {
	at := p.env.Clock()()
	row := make([]float64, len(states)+1)
	tcp, err := net.ConnectionsWithoutUidsWithContext(ctx, "tcp")
	if err != nil {
		return fmt.Errorf("count tcp sockets: %w", err)
	}
	for _, c := range tcp {
		if i, ok := index[c.Status]; ok {
			row[i]++
		}
	}
	udp, err := net.ConnectionsWithoutUidsWithContext(ctx, "udp")
	if err != nil {
		return fmt.Errorf("count udp sockets: %w", err)
	}
	row[len(states)] = float64(len(udp))
	e.Emit(p.connections, nil, at, row...)
	return nil
}
