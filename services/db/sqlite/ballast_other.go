//go:build !linux

package sqlite

import "os"

// preallocate makes the empty file take up so many bytes of the disk.
func preallocate(f *os.File, size int64) error { return fill(f, size) }
