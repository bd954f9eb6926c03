// Package smallfile reads files whole, up to a bound: what the agent reads is
// small, and a file that is not must not take the memory of the host.
package smallfile

import (
	"fmt"
	"io"
	"os"
)

// Bounds for what the agent reads.
const (
	// Settings bounds files that people or the agent itself write.
	Settings = 1 << 20
	// Kernel bounds files that a probe reads. Of a host with thousands of disks,
	// mounts or users they have some megabytes.
	Kernel = 16 << 20
)

// Read returns what is in the file. More than limit bytes are an error.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the caller names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes, which cannot be right", path, limit)
	}
	return data, nil
}
