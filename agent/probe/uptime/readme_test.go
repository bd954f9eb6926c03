package uptime_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
	"github.com/esolutions/esmon/agent/probe/uptime"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	probetest.Readme(t, uptime.New(probe.Env{}))
}
