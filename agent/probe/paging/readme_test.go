package paging_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/paging"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	probetest.Readme(t, paging.New(probe.Env{}))
}
