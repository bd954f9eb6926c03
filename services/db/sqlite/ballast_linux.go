package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// preallocate makes the empty file take up so many bytes of the disk.
func preallocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fill(f, size)
	}
	return err
}
