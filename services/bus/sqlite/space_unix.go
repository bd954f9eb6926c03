//go:build unix

package sqlite

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes returns how much space the file system of the folder has left for an
// ordinary user.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the space left in %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ from system to system
}
