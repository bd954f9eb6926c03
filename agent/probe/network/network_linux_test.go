package network_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/network"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func open(t testing.TB, env probe.Env, cfg network.Config) *network.Probe {
	t.Helper()
	p, err := network.New(env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := open(t, probetest.Env("testdata/linux"), network.DefaultConfig())
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, open(t, probe.Env{}, network.DefaultConfig()))
	probetest.Value(t, readings, "system_network_io_bytes_total", "network_interface_name", "lo")
}

func TestOddLines(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/net/dev": "Inter-|   Receive |  Transmit\n face |bytes |bytes\n" +
			"eth0:1234 5 0 0 0 0 0 0 77 6 0 0 0 0 0 0\n" + // no space behind the colon, as in old kernels
			"eth0:1: 9 9\n" + // an alias, cut short
			"  eth0: 1\n" + // again
			"veth12ab@if3: 1 1\n : 5\n../../x: 3 0 0 0\nno colon\n",
		"sys/class/net/eth0/operstate":   "up\n",
		"sys/class/net/eth0/speed":       "1000\n",
		"sys/class/net/eth0:1/speed":     "-1\n",
		"sys/class/net/eth0:1/operstate": "down\n",
	})
	readings := probetest.Collect(t, open(t, probetest.Env(root), network.DefaultConfig()))
	if len(readings) != 6 { // two schemas for each of three interfaces
		t.Fatalf("%d readings, want 6:\n%s", len(readings), probetest.Text(readings))
	}
	for _, tc := range [][4]string{
		{"eth0", "system_network_io_bytes_total", "receive", "1234"},
		{"eth0", "system_network_io_bytes_total", "transmit", "77"},
		{"eth0", "system_network_packet_count_total", "transmit", "6"},
		{"eth0", "esmon_network_up", "", "1"},
		{"eth0", "esmon_network_mtu_bytes", "", "missing"},
		{"eth0", "esmon_network_speed_bytes_per_second", "", "1.25e+08"},
		{"eth0:1", "system_network_io_bytes_total", "receive", "9"},
		{"eth0:1", "system_network_io_bytes_total", "transmit", "missing"},
		{"eth0:1", "esmon_network_up", "", "0"},
		{"eth0:1", "esmon_network_speed_bytes_per_second", "", "missing"},
		{"../../x", "esmon_network_up", "", "missing"},
	} {
		v := probetest.Value(t, readings, tc[1], "network_interface_name", tc[0], "network_io_direction", tc[2])
		if got := probetest.Format(v); got != tc[3] {
			t.Errorf("%s %s %s: %s, want %s", tc[0], tc[1], tc[2], got, tc[3])
		}
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, open(t, probetest.Env(t.TempDir()), network.DefaultConfig()), "net/dev")
}
