package network_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/network"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	p, err := network.New(probe.Env{}, network.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	probetest.Readme(t, p)
}
