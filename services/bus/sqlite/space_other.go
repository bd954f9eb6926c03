//go:build !unix

package sqlite

import "errors"

// freeBytes is not known here: the limits of the log itself hold.
func freeBytes(string) (int64, error) {
	return 0, errors.New("the space left is not known on this system")
}
