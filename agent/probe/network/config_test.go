package network_test

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/network"
)

func TestBadPatternIsNamed(t *testing.T) {
	t.Parallel()
	_, err := network.New(probe.Env{}, network.Config{Exclude: "("})
	if err == nil || !strings.Contains(err.Error(), "network.exclude") {
		t.Errorf("error %v, want one that names network.exclude", err)
	}
}
