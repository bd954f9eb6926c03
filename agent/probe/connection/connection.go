// Package connection reads how many network connections there are, and what the
// TCP and UDP of the host have done.
package connection

import (
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// states are the states of a TCP connection. Linux numbers them from 1 in this
// order.
var states = [...]string{
	"established", "syn_sent", "syn_received", "fin_wait_1", "fin_wait_2", "time_wait",
	"closed", "close_wait", "last_ack", "listen", "closing",
}

// Probe reads the connections.
type Probe struct {
	env         probe.Env
	connections *metric.Schema // on every operating system
	sockets     *metric.Schema // Linux
	protocols   *metric.Schema // Linux
}

// New returns the probe.
func New(env probe.Env) *Probe {
	p := &Probe{env: env, connections: connections(), sockets: probe.Schema(), protocols: probe.Schema()}
	for _, c := range socketColumns {
		p.sockets.Columns = append(p.sockets.Columns, probe.Gauge(c.name, c.unit, c.help, c.attributes...))
	}
	for _, c := range protocolColumns {
		p.protocols.Columns = append(p.protocols.Columns, probe.Counter(c.name, c.unit, c.help, c.attributes...))
	}
	return p
}

// Name is "connection".
func (p *Probe) Name() string { return "connection" }

// DefaultInterval is thirty seconds: the kernel walks all connections.
func (p *Probe) DefaultInterval() time.Duration { return 30 * time.Second }

// Shapes returns schemas of the host: that of every system and those of Linux.
func (p *Probe) Shapes() []probe.Shape {
	return []probe.Shape{{Schema: p.connections}, {Schema: p.sockets}, {Schema: p.protocols}}
}

func connections() *metric.Schema {
	s := probe.Schema()
	for _, state := range states {
		s.Columns = append(s.Columns, probe.Gauge("system.network.connection.count", "{connection}", connectionHelp,
			"network.transport", "tcp", "network.connection.state", state))
	}
	s.Columns = append(s.Columns, probe.Gauge("system.network.connection.count", "{connection}", connectionHelp, "network.transport", "udp"))
	return s
}

const connectionHelp = "TCP connections by state, and UDP sockets; IPv4 and IPv6 together."

// column is a column that one number of the kernel fills.
type column struct {
	key              string // as kernel.Pairs and kernel.Headed name it
	name, unit, help string
	attributes       []string
	factor           float64
}

// socketColumns come from /proc/net/sockstat.
var socketColumns = []column{
	{"sockets used", "esmon.network.sockets", "{socket}", "Sockets of all kinds.", nil, 1},
	{"TCP alloc", "esmon.network.tcp.allocated", "{socket}", "TCP sockets that exist, in whatever state.", nil, 1},
	{"TCP orphan", "esmon.network.tcp.orphans", "{socket}", "TCP sockets that no program holds any more.", nil, 1},
	{"TCP mem", "esmon.network.socket.memory", "By", memoryHelp, []string{"network.transport", "tcp"}, pageSize},
	{"UDP mem", "esmon.network.socket.memory", "By", memoryHelp, []string{"network.transport", "udp"}, pageSize},
}

// pageSize marks a number that counts pages of memory.
const pageSize = 0

const (
	memoryHelp  = "Memory in the buffers of sockets."
	segmentHelp = "TCP segments transferred, repeated ones not counted."
	openHelp    = "TCP connections opened: active by a program here, passive by another host."
	listenHelp  = "Connections refused because the program that listens was too slow to accept them."
	udpHelp     = "UDP datagrams transferred."
	udpErrors   = "UDP datagrams lost by the host, by cause."
)

// protocolColumns come from /proc/net/snmp and /proc/net/netstat.
var protocolColumns = []column{
	{"Tcp InSegs", "esmon.network.tcp.segments", "{segment}", segmentHelp, []string{"network.io.direction", "receive"}, 1},
	{"Tcp OutSegs", "esmon.network.tcp.segments", "{segment}", segmentHelp, []string{"network.io.direction", "transmit"}, 1},
	{"Tcp RetransSegs", "esmon.network.tcp.retransmissions", "{segment}", "TCP segments sent again.", nil, 1},
	{"Tcp InErrs", "esmon.network.tcp.receive_errors", "{segment}", "TCP segments received that were damaged.", nil, 1},
	{"Tcp OutRsts", "esmon.network.tcp.resets_sent", "{segment}", "TCP resets sent.", nil, 1},
	{"Tcp EstabResets", "esmon.network.tcp.connections_reset", "{connection}", "TCP connections that a reset ended.", nil, 1},
	{"Tcp AttemptFails", "esmon.network.tcp.connections_failed", "{connection}", "TCP connections that were not established.", nil, 1},
	{"Tcp ActiveOpens", "esmon.network.tcp.connections_opened", "{connection}", openHelp, []string{"open.side", "active"}, 1},
	{"Tcp PassiveOpens", "esmon.network.tcp.connections_opened", "{connection}", openHelp, []string{"open.side", "passive"}, 1},
	{"TcpExt ListenOverflows", "esmon.network.tcp.listen_overflows", "{connection}", listenHelp, nil, 1},
	{"TcpExt ListenDrops", "esmon.network.tcp.listen_drops", "{connection}", "Connections refused for any reason, overflows included.", nil, 1},
	{"Udp InDatagrams", "esmon.network.udp.datagrams", "{datagram}", udpHelp, []string{"network.io.direction", "receive"}, 1},
	{"Udp OutDatagrams", "esmon.network.udp.datagrams", "{datagram}", udpHelp, []string{"network.io.direction", "transmit"}, 1},
	{"Udp NoPorts", "esmon.network.udp.datagrams_lost", "{datagram}", udpErrors, []string{"cause", "no_port"}, 1},
	{"Udp InErrors", "esmon.network.udp.datagrams_lost", "{datagram}", udpErrors, []string{"cause", "receive_error"}, 1},
}

// fill returns the numbers of the columns.
func fill(columns []column, from kernel.Values, page float64) []float64 {
	row := make([]float64, len(columns))
	for i, c := range columns {
		factor := c.factor
		if factor == pageSize {
			factor = page
		}
		row[i] = from.Get(c.key) * factor
	}
	return row
}
