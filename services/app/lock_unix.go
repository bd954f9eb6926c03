//go:build unix

package app

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// flock takes the file's lock or returns errLocked.
func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
