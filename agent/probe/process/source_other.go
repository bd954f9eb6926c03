//go:build !linux && !windows

package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// ps runs the ps command: without cgo there is no other way to the CPU times of
// all processes.
type ps struct{}

func newSource(probe.Env) source { return ps{} }

func (ps) read(ctx context.Context) ([]process, limits, error) {
	cmd := exec.CommandContext(ctx, "/bin/ps", "-axo", psColumns)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	text, err := cmd.Output()
	if err != nil {
		return nil, limits{}, fmt.Errorf("run ps: %w", err)
	}
	all := parsePs(string(text))
	if len(all) == 0 {
		return nil, limits{}, errors.New("ps listed no process")
	}
	for i := range all { // what ps does not tell
		all[i].threads = metric.Missing()
		all[i].used.major, all[i].used.minor = metric.Missing(), metric.Missing()
	}
	none := metric.Missing()
	return all, limits{none, none, none, none}, nil
}
