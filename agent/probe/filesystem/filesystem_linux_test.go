package filesystem

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestThisHost(t *testing.T) {
	t.Parallel()
	p, err := New(probe.Env{}, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	readings := probetest.Collect(t, p)
	size := probetest.Value(t, readings, "system_filesystem_limit_bytes", "system_filesystem_mountpoint", "/")
	var sum float64
	for _, state := range []string{"used", "free", "reserved"} {
		sum += probetest.Value(t, readings, "system_filesystem_usage_bytes", "system_filesystem_mountpoint", "/", "system_filesystem_state", state)
	}
	if size <= 0 || sum != size {
		t.Errorf("the states of the root sum up to %v of %v", sum, size)
	}
}

// Mount points are those of the host, files those below the root.
func TestHostSeenFromAContainer(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{"proc/1/mounts": "/dev/vda / ext4 rw 0 0\n/dev/vdb /gone ext4 rw 0 0\n"})
	p, err := New(probetest.Env(root), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	readings := probetest.Collect(t, p)
	if v := probetest.Value(t, readings, "system_filesystem_limit_bytes", "system_filesystem_mountpoint", "/"); v <= 0 {
		t.Errorf("size %v of the root", v)
	}
	if v := probetest.Value(t, readings, "esmon_filesystem_error", "system_filesystem_mountpoint", "/gone"); v != 1 {
		t.Errorf("error %v of a mount point that is not there, want 1", v)
	}
}

func TestMountsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	p, err := New(probetest.Env(t.TempDir()), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	probetest.Fails(t, p, "list mounted filesystems")
}
