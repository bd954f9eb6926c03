package filesystem_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/filesystem"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	p, err := filesystem.New(probe.Env{}, filesystem.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	probetest.Readme(t, p)
}
