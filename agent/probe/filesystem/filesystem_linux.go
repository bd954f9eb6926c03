package filesystem

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/smallfile"
)

// mounts lists those that the first process sees: the agent's own view can be
// narrowed by its service manager. Without the right to look there, its own.
func mounts(_ context.Context, env probe.Env) ([]mount, error) {
	text, err := smallfile.Read(env.Path("proc", "1", "mounts"), smallfile.Kernel)
	if err != nil {
		text, err = smallfile.Read(env.Path("proc", "self", "mounts"), smallfile.Kernel)
	}
	if err != nil {
		return nil, err
	}
	return parseMounts(text), nil
}

// statfs asks the kernel. Blocks are counted in fragments; where a filesystem
// names no fragment size, in blocks.
func statfs(path string) (usage, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(path, &s)
		if err == nil {
			break
		}
		if err != unix.EINTR { //nolint:errorlint // a plain errno
			return usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
	unit := float64(s.Frsize)
	if unit == 0 {
		unit = float64(s.Bsize)
	}
	return usage{
		size: float64(s.Blocks) * unit, free: float64(s.Bfree) * unit, available: float64(s.Bavail) * unit,
		inodes: float64(s.Files), inodesFree: float64(s.Ffree),
		inodesUnknown: s.Files == 0,
	}, nil
}
