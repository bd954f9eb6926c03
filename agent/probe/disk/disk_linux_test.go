package disk_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/disk"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func open(t testing.TB, env probe.Env, cfg disk.Config) *disk.Probe {
	t.Helper()
	p, err := disk.New(env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := open(t, probetest.Env("testdata/linux"), disk.DefaultConfig())
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	probetest.Collect(t, open(t, probe.Env{}, disk.Config{})) // a container may have no disks
}

func TestExclude(t *testing.T) {
	t.Parallel()
	for device, reported := range map[string]bool{
		"sda": true, "sda1": false, "nvme0n1": true, "nvme0n1p2": false, "mmcblk0": true, "mmcblk0p1": false,
		"loop3": false, "ram0": false, "zram0": true, "fd0": false, "dm-0": true, "md127": true, "sr0": true, "xvda": true, "sdaa12": false,
	} {
		root := probetest.Tree(t, map[string]string{"proc/diskstats": "8 0 " + device + " 1 1 1 1 1 1 1 1 1 1 1\n"})
		readings := probetest.Collect(t, open(t, probetest.Env(root), disk.DefaultConfig()))
		if got := len(readings) == 1; got != reported {
			t.Errorf("%s: reported %v, want %v", device, got, reported)
		}
		if all := probetest.Collect(t, open(t, probetest.Env(root), disk.Config{})); len(all) != 1 {
			t.Errorf("%s: without an exclusion %d readings, want 1", device, len(all))
		}
	}
}

func TestOddLines(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{"proc/diskstats": "\n8 0\n8 0 sda\n" +
		"8 0 sdb 10 1 4 500\n" + // cut short
		"8 0 sdb 99 9 9 9\n" + // again
		"8 0 sd\xffc x 1 18446744073709551616 -1 2 2 2 2 3 4000 5000\n"})
	readings := probetest.Collect(t, open(t, probetest.Env(root), disk.DefaultConfig()))
	if len(readings) != 2 {
		t.Fatalf("want two devices:\n%s", probetest.Text(readings))
	}
	for _, tc := range [][4]string{
		{"sdb", "system_disk_io_bytes_total", "read", "2048"},
		{"sdb", "system_disk_operation_time_seconds_total", "read", "0.5"},
		{"sdb", "system_disk_io_bytes_total", "write", "missing"},
		{"sd\uFFFDc", "system_disk_operations_total", "read", "missing"},
		{"sd\uFFFDc", "system_disk_io_bytes_total", "read", "missing"},
		{"sd\uFFFDc", "system_disk_io_bytes_total", "write", "1024"},
		{"sd\uFFFDc", "system_disk_io_time_seconds_total", "", "4"},
	} {
		v := probetest.Value(t, readings, tc[1], "system_device", tc[0], "disk_io_direction", tc[2])
		if got := probetest.Format(v); got != tc[3] {
			t.Errorf("%s %s %s: %s, want %s", tc[0], tc[1], tc[2], got, tc[3])
		}
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, open(t, probetest.Env(t.TempDir()), disk.DefaultConfig()), "diskstats")
}
