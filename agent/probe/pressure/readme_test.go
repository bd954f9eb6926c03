package pressure_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/pressure"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	probetest.Readme(t, pressure.New(probe.Env{}))
}
