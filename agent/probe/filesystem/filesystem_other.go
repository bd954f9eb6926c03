//go:build !linux

package filesystem

import (
	"context"
	"slices"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/esolutions/esmon/agent/probe"
)

// mounts asks the operating system for filesystems on devices.
func mounts(ctx context.Context, _ probe.Env) ([]mount, error) {
	all, err := disk.PartitionsWithContext(ctx, false)
	if err != nil && len(all) == 0 {
		return nil, err
	}
	out := make([]mount, 0, len(all))
	for _, d := range all {
		out = append(out, mount{d.Device, d.Mountpoint, d.Fstype, slices.Contains(d.Opts, "ro")})
	}
	return out, nil
}

// statfs asks the operating system. It does not tell what is reserved apart.
func statfs(path string) (usage, error) {
	u, err := disk.Usage(path)
	if err != nil {
		return usage{}, err
	}
	return usage{
		size: float64(u.Total), free: float64(u.Total - u.Used), available: float64(u.Free),
		inodes: float64(u.InodesTotal), inodesFree: float64(u.InodesFree), inodesUnknown: u.InodesTotal == 0,
	}, nil
}
