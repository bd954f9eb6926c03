//go:build unix

package enrol

import (
	"errors"
	"os"
)

// syncDir makes a rename in the directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the agent's own state directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
