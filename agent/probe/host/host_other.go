//go:build !linux

package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"

	"github.com/esolutions/esmon/agent/probe"
)

// read asks the operating system. Hardware facts come from hardware, per system.
func read(ctx context.Context, _ probe.Env) (facts, error) {
	f := hardware()
	name, _, version, err := host.PlatformInformationWithContext(ctx)
	if err != nil {
		err = fmt.Errorf("read operating system: %w", err)
	}
	kernelRelease, kernelErr := host.KernelVersionWithContext(ctx)
	if kernelErr != nil {
		kernelErr = fmt.Errorf("read kernel release: %w", kernelErr)
	}
	n, cpuErr := cpu.CountsWithContext(ctx, true)
	if cpuErr != nil {
		cpuErr = fmt.Errorf("count CPUs: %w", cpuErr)
	}
	f.osName, f.osVersion, f.osDescription, f.kernelRelease = name, version, name+" "+version, kernelRelease
	f.logical = count(n)
	return f, errors.Join(err, kernelErr, cpuErr)
}
