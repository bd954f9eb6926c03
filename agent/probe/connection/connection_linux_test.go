package connection_test

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/connection"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := connection.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	readings := probetest.Collect(t, connection.New(probe.Env{}))
	v := probetest.Value(t, readings, "system_network_connection_count", "network_transport", "tcp", "network_connection_state", "listen")
	if v < 1 {
		t.Errorf("%v listening sockets, and there is one", v)
	}
}

func TestHostWithoutIPv6(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/net/tcp":      "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: x y FF 0\n   garbage\n   2: 0100007F:1F90 00000000:0000 ZZ 0\n",
		"proc/net/sockstat": "sockets: used 17\nTCP: inuse 1 mem 3 orphan\n",
		"proc/net/snmp":     "Tcp: InSegs OutSegs\nTcp: 5\nUdp: InDatagrams\n",
		"proc/net/netstat":  "TcpExt: ListenDrops\nTcpExt: 3\n",
	})
	readings := probetest.Collect(t, connection.New(probetest.Env(root)))
	for _, tc := range []struct {
		name, label, value, want string
	}{
		{"system_network_connection_count", "network_connection_state", "listen", "1"},
		{"system_network_connection_count", "network_connection_state", "established", "0"},
		{"system_network_connection_count", "network_transport", "udp", "0"},
		{"esmon_network_sockets", "", "", "17"},
		{"esmon_network_tcp_orphans", "", "", "missing"},
		{"esmon_network_socket_memory_bytes", "network_transport", "tcp", fmt.Sprint(float64(3 * os.Getpagesize()))},
		{"esmon_network_tcp_segments_total", "network_io_direction", "receive", "5"},
		{"esmon_network_tcp_segments_total", "network_io_direction", "transmit", "missing"},
		{"esmon_network_tcp_listen_drops_total", "", "", "3"},
		{"esmon_network_udp_datagrams_total", "network_io_direction", "receive", "missing"},
	} {
		if got := probetest.Format(probetest.Value(t, readings, tc.name, tc.label, tc.value)); got != tc.want {
			t.Errorf("%s{%s=%q} %s, want %s", tc.name, tc.label, tc.value, got, tc.want)
		}
	}
}

func TestPartsThatAreNotThere(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{"proc/net/sockstat": "sockets: used 17\n"})
	readings := probetest.Fails(t, connection.New(probetest.Env(root)), "protocol counters")
	if v := probetest.Value(t, readings, "esmon_network_sockets"); v != 17 {
		t.Errorf("sockets %v, want what could be read", v)
	}
}
