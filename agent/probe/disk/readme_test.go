package disk_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/disk"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	p, err := disk.New(probe.Env{}, disk.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	probetest.Readme(t, p)
}
