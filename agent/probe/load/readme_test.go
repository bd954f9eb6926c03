package load_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/load"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	probetest.Readme(t, load.New(probe.Env{}))
}
