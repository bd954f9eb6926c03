//go:build !unix

package sqlite

import (
	"os"
	"testing"
	"time"
)

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }

// diskBytes returns the size of the file: more is not known here.
func diskBytes(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
