package process_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
	"github.com/esolutions/esmon/agent/probe/process"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	p, err := process.New(probe.Env{}, process.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	probetest.Readme(t, p)
}
