package disk_test

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/disk"
)

func TestBadPatternIsNamed(t *testing.T) {
	t.Parallel()
	_, err := disk.New(probe.Env{}, disk.Config{Exclude: "("})
	if err == nil || !strings.Contains(err.Error(), "disk.exclude") {
		t.Errorf("error %v, want one that names disk.exclude", err)
	}
}
